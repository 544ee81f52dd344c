/** Every refusal of a token, word for word: which caveat, what it says, what the request had, what to ask the box for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Caveat, parseCaveatText } from './caveats.ts';
import { clearDestination, clearOwner, clearPoll, clearRequest } from './clear.ts';
import { type Denial, SHOWN_CHARACTERS_MAX } from './denials.ts';

const NOW = Date.UTC(2026, 10, 24, 12);
const ACCESS = { target: 'export-service', method: 'POST', path: '/export', now: NOW };
const SENDING = { destination: 'https://a.example/in', dataBytes: 101 };
const FULL = ['target = export-service', 'method = POST', 'path = /export'];

const parsed = (texts: readonly string[]): Caveat[] => texts.map(parseCaveatText);
const request = (...texts: string[]) => clearRequest(parsed(texts), ACCESS);
const sending = (...texts: string[]) => clearDestination(parsed(texts), SENDING, true);
const owner = (...texts: string[]) => clearOwner(parsed(texts), { ...ACCESS, path: '/owner/rules' });

const REFUSALS: readonly [what: string, denial: Denial | undefined, code: Denial['code'], detail: string][] =
  [
    [
      'a token for another service',
      request('target = store', 'method = POST', 'path = /export'),
      'caveat_refused',
      'The token says "target = store", and this service is called "export-service": the token is for another one. Ask the box for a token with "target = export-service".',
    ],
    [
      'another method',
      request('target = export-service', 'method = GET', 'path = /export'),
      'caveat_refused',
      'The token says "method = GET", and the method of the request is "POST". Ask the box for a token with "method = POST".',
    ],
    [
      'another path',
      request('target = export-service', 'method = POST', 'path = /lp/export'),
      'caveat_refused',
      'The token says "path = /lp/export", and the path of the request is "/export". Send the request there, or ask the box for a token with "path = /export".',
    ],
    [
      'a time that is over',
      request(...FULL, 'time < 2026-11-24T11:59:59Z'),
      'caveat_refused',
      'The token says "time < 2026-11-24T11:59:59Z", and the request came at 2026-11-24T12:00:00.000Z. Ask the box for a new token, with a later time or with none.',
    ],
    [
      'another destination',
      sending('destination = https://a.example/'),
      'caveat_refused',
      'The token says "destination = https://a.example/", and the destination of the request is "https://a.example/in". They are compared as text, and differ from character 19 on. Send the very URL that the token names, or ask the box for a token with the destination of the request.',
    ],
    [
      'too much data',
      sending('destination = https://a.example/in', 'data-bytes <= 100'),
      'caveat_refused',
      'The token says "data-bytes <= 100", and the data of the request has 101 bytes. Send less at once, or ask the box for a token with "data-bytes <= 101".',
    ],
    [
      'a caveat that nobody knows',
      request(...FULL, 'colour = red'),
      'caveat_refused',
      'The token says "colour = red", which is no caveat this service understands, so no request clears it. Ask the box for a token with none but "target = NAME", "method = METHOD", "path = PATH", "destination = URL", "time < 2030-01-31T12:00:00Z", and "data-bytes <= NUMBER".',
    ],
    [
      'a caveat that is nearly right',
      request(...FULL, 'time < tomorrow'),
      'caveat_refused',
      'The token says "time < tomorrow", which is no caveat this service understands, so no request clears it. Such a caveat is written "time < 2030-01-31T12:00:00Z", with one blank on each side of the sign.',
    ],
    [
      'a caveat without blanks, in capitals',
      request(...FULL, 'METHOD=POST'),
      'caveat_refused',
      'The token says "METHOD=POST", which is no caveat this service understands, so no request clears it. Such a caveat is written "method = METHOD", with one blank on each side of the sign.',
    ],
    [
      'a third-party caveat',
      clearRequest([...parsed(FULL), { kind: 'third-party', text: 'https://auth.example/' }], ACCESS),
      'caveat_refused',
      'The token has a third-party caveat, to be discharged at "https://auth.example/", and the request has no discharge this service takes. Ask the box for a token without third-party caveats.',
    ],
    [
      'a token without a method',
      request('target = export-service', 'path = *'),
      'caveat_missing',
      'The token has no method caveat. Ask the box for a token with "method = POST".',
    ],
    [
      'a token without anything',
      request(),
      'caveat_missing',
      'The token has no target, method, and path caveat. Ask the box for a token with "target = export-service", "method = POST", and "path = /export".',
    ],
    [
      'a token without a destination, for a new export',
      sending(),
      'destination_missing',
      'The token has no destination caveat, so it would be good for every destination. Ask the box for a token with "destination = https://a.example/in", the URL exactly as it is sent in uri.',
    ],
    [
      'a token without a destination, for a poll',
      clearPoll([], true),
      'destination_missing',
      'The token has no destination caveat, so it would be good for every destination. Ask the box for a token with "destination = URL", the URL exactly as it is sent in uri.',
    ],
    [
      "an app's token on an owner's path",
      owner('target = export-service', 'method = *', 'path = *'),
      'caveat_refused',
      "The token says \"path = *\", so it is an app's. The owner's paths take a token whose path caveats begin with /owner/ and that has no destination caveat: token mint --path '/owner/*' --method '*' makes one.",
    ],
  ];

for (const [what, denial, code, detail] of REFUSALS) {
  test(`${what}: ${code}, and what to do`, () => assert.deepEqual(denial, { code, detail }));
}

test('two long destinations are shown where they differ, and not where they are the same', () => {
  const long = `https://a.example/${'x'.repeat(3_000)}`;
  const denial = clearDestination(
    parsed([`destination = ${long}/one`]),
    { destination: `${long}/two`, dataBytes: 0 },
    true,
  );
  assert.match(
    denial?.detail ?? '',
    /^The token says "…x+\/one", and .* is "…x+\/two"\. .* character 3020 on\./,
  );
  assert.ok((denial?.detail.length ?? 0) < 3 * SHOWN_CHARACTERS_MAX);
});

test('a destination that goes on where the other ends differs from its end on', () => {
  const denial = sending('destination = https://a.example/in/and/on');
  assert.match(denial?.detail ?? '', /differ from character 21 on/);
});
