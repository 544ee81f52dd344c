import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseCaveatText } from './caveats.ts';
import {
  type Access,
  clearDestination,
  clearOwner,
  clearPoll,
  clearRequest,
  namedDestination,
  permitsDestination,
} from './clear.ts';
import { SHOWN_CHARACTERS_MAX } from './denials.ts';

const now = Date.parse('2026-11-24T12:00:00Z');
const access: Access = { target: 'export-service', method: 'POST', path: '/lp/export', now };
const sending = { destination: 'https://a.example/in', dataBytes: 100 };
const full = ['target = export-service', 'method = POST', 'path = /lp/export'];
const destined = [...full, 'destination = https://a.example/in'];

const parsed = (texts: readonly string[]) => texts.map(parseCaveatText);
const request = (texts: readonly string[], changed: Partial<Access> = {}) =>
  clearRequest(parsed(texts), { ...access, ...changed });
const destination = (texts: readonly string[], changed: Partial<typeof sending> = {}, required = true) =>
  clearDestination(parsed(texts), { ...sending, ...changed }, required);

test('a token with all its caveats clears both stages, in any order of them', () => {
  for (const texts of [destined, destined.toReversed()]) {
    assert.equal(request(texts), undefined);
    assert.equal(destination(texts), undefined);
  }
});

test('each request caveat refuses a request that differs, and says what differs', () => {
  for (const [changed, said, had] of [
    [{ target: 'other' }, '"target = export-service"', '"other"'],
    [{ target: 'Export-Service' }, '"target = export-service"', '"Export-Service"'],
    [{ method: 'GET' }, '"method = POST"', '"GET"'],
    [{ path: '/export' }, '"path = /lp/export"', '"/export"'],
    [{ path: '/lp/export/' }, '"path = /lp/export"', '"/lp/export/"'],
    [{ path: '/LP/export' }, '"path = /lp/export"', '"/LP/export"'],
  ] as const) {
    const denial = request(full, changed);
    assert.equal(denial?.code, 'caveat_refused');
    assert.ok(denial.detail.includes(said) && denial.detail.includes(had), denial.detail);
    assert.match(denial.detail, /[Aa]sk the box for a token with "/);
  }
});

test('the method is compared without case, in ASCII only, and * clears every method', () => {
  const withMethod = (method: string) => [
    'target = export-service',
    `method = ${method}`,
    'path = /lp/export',
  ];
  for (const method of ['post', 'Post', 'POST', '*']) assert.equal(request(withMethod(method)), undefined);
  for (const method of ['poſt', 'PUT', 'POSTS', 'PO*', '']) {
    assert.equal(request(withMethod(method))?.code, 'caveat_refused', method);
  }
});

test('a path caveat that ends in * is a prefix, and a * elsewhere is only itself', () => {
  const withPath = (path: string) => ['target = export-service', 'method = POST', `path = ${path}`];
  for (const path of ['*', '/*', '/lp/*', '/lp/export*', '/lp/export']) {
    assert.equal(request(withPath(path)), undefined, path);
  }
  for (const path of ['/lp', '/lp/', '/*/export', '/ws/*', '/lp/export/*', 'lp/*', '**', '']) {
    assert.equal(request(withPath(path))?.code, 'caveat_refused', path);
  }
});

test('time is over at the very millisecond the caveat names', () => {
  const texts = [...full, 'time < 2026-11-24T12:00:00.001Z'];
  assert.equal(request(texts), undefined);
  const denial = request(texts, { now: now + 1 });
  assert.equal(denial?.code, 'caveat_refused');
  assert.match(denial.detail, /2026-11-24T12:00:00\.001Z/);
});

test('the strictest of several times counts', () => {
  const texts = [...full, 'time < 2030-01-01T00:00:00Z', 'time < 2020-01-01T00:00:00Z'];
  assert.equal(request(texts)?.code, 'caveat_refused');
});

test('a caveat we do not know refuses the request before the body is read', () => {
  for (const text of ['colour = red', '*', '', 'data-bytes <= many', 'time < soon', 'METHOD = POST']) {
    assert.equal(request([...destined, text])?.code, 'caveat_refused', text);
  }
});

test('a third-party caveat refuses the request', () => {
  const denial = clearRequest(
    [...parsed(destined), { kind: 'third-party', text: 'https://auth.example/' }],
    access,
  );
  assert.equal(denial?.code, 'caveat_refused');
  assert.match(denial.detail, /https:\/\/auth\.example\//);
});

test('without target, method or path the token would be good for anything, so it is good for nothing', () => {
  for (const missing of ['target', 'method', 'path']) {
    const denial = request(destined.filter((text) => !text.startsWith(missing)));
    assert.equal(denial?.code, 'caveat_missing');
    assert.ok(denial.detail.includes(`no ${missing} caveat`), denial.detail);
  }
  const denial = request([]);
  assert.equal(
    denial?.detail,
    'The token has no target, method, and path caveat. Ask the box for a token with ' +
      '"target = export-service", "method = POST", and "path = /lp/export".',
  );
});

test('what is refused is said before what is missing', () => {
  assert.equal(request(['method = GET'])?.code, 'caveat_refused');
});

test('destination and data-bytes play no part in the first stage, nor the others in the second', () => {
  assert.equal(request([...full, 'destination = https://b.example/', 'data-bytes <= 0']), undefined);
  assert.equal(destination(['destination = https://a.example/in', 'path = /x', 'colour = red']), undefined);
});

test('a destination is compared as it was sent, not as a URL', () => {
  for (const url of ['https://a.example/in/', 'https://A.example/in', 'https://a.example:443/in', '']) {
    assert.equal(destination(destined, { destination: url })?.code, 'caveat_refused', url);
    assert.ok(!permitsDestination(parsed(destined), url));
  }
});

test('two different destinations never both hold', () => {
  const texts = [...destined, 'destination = https://b.example/'];
  for (const url of ['https://a.example/in', 'https://b.example/']) {
    assert.equal(destination(texts, { destination: url })?.code, 'caveat_refused');
    assert.ok(!permitsDestination(parsed(texts), url));
  }
});

test('the named destination is the only one that can be permitted', () => {
  const other = 'https://b.example/';
  for (const texts of [
    destined,
    [...destined, 'destination = https://b.example/'],
    [...full, 'destination = '],
  ]) {
    const named = namedDestination(parsed(texts));
    for (const url of ['https://a.example/in', other, '']) {
      assert.ok(!permitsDestination(parsed(texts), url) || url === named, `${texts.at(-1)} ${url}`);
    }
  }
  assert.equal(namedDestination(parsed(full)), null);
  assert.equal(namedDestination(parsed(destined)), 'https://a.example/in');
});

test('a token without a destination is refused, unless that is allowed', () => {
  assert.equal(destination(full)?.code, 'destination_missing');
  assert.equal(destination(full, {}, false), undefined);
  assert.equal(destination(destined, { destination: 'https://b.example/' }, false)?.code, 'caveat_refused');
});

test('an empty destination caveat names no destination, not even the empty one', () => {
  const texts = [...full, 'destination = '];
  for (const required of [true, false]) {
    assert.equal(destination(texts, { destination: '' }, required)?.code, 'caveat_refused');
  }
  assert.ok(!permitsDestination(parsed(texts), ''));
});

test('data-bytes allows its very number and not one more, and the smallest counts', () => {
  const texts = [...destined, 'data-bytes <= 100', 'data-bytes <= 1000'];
  assert.equal(destination(texts, { dataBytes: 100 }), undefined);
  const denial = destination(texts, { dataBytes: 101 });
  assert.equal(denial?.code, 'caveat_refused');
  assert.match(denial.detail, /101 bytes/);
});

test('a poll needs a destination caveat all the same, and data-bytes plays no part', () => {
  assert.equal(clearPoll(parsed(full), true)?.code, 'destination_missing');
  assert.equal(clearPoll(parsed(full), false), undefined);
  assert.equal(clearPoll(parsed([...destined, 'data-bytes <= 0']), true), undefined);
  assert.ok(permitsDestination(parsed([...destined, 'data-bytes <= 0']), 'https://a.example/in'));
  assert.ok(permitsDestination(parsed(full), 'https://anywhere.example/'));
});

test('long values are cut and invisible characters shown, in what the token and what the request says', () => {
  const long = `https://a.example/${'x'.repeat(5000)}`;
  const denial = destination([`destination = ${long}`], { destination: `${long}y` });
  assert.ok(denial !== undefined && denial.detail.length < 3 * SHOWN_CHARACTERS_MAX + 200);

  const nasty = request([...full, 'colour = \u001b[31mred\r\n\u202eder\u2028']);
  assert.ok(nasty !== undefined);
  assert.doesNotMatch(nasty.detail, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);

  const split = request([...full, `${'x'.repeat(SHOWN_CHARACTERS_MAX - 1)}😀`]);
  assert.ok(split?.detail.isWellFormed(), 'a cut through a surrogate pair');
});

test('one more caveat never lets in what a caveat refused, and keeps out nothing it does not name', () => {
  const anyCaveat = fc.constantFrom(
    ...destined,
    'method = GET',
    'path = /*',
    'path = /export',
    'target = other',
    'destination = https://b.example/',
    'time < 2027-01-01T00:00:00Z',
    'time < 2020-01-01T00:00:00Z',
    'data-bytes <= 99',
    'data-bytes <= 100',
    'colour = red',
  );
  const both = (texts: readonly string[]) => request(texts) ?? destination(texts);
  fc.assert(
    fc.property(fc.array(anyCaveat, { maxLength: 8 }), anyCaveat, (texts, more) => {
      const before = both(texts);
      const after = both([...texts, more]);
      // Adding what was missing is the one way a token gets further by attenuation.
      if (after === undefined) assert.notEqual(before?.code, 'caveat_refused');
      if (before?.code === 'caveat_refused') assert.equal(after?.code, 'caveat_refused');
      if (before === undefined && after !== undefined) assert.ok(after.detail.includes(more));
    }),
  );
});

const ownerAccess: Access = { ...access, path: '/owner/root-key/refresh' };
const ownerTarget = 'target = export-service';
const owner = (texts: readonly string[], changed: Partial<Access> = {}) =>
  clearOwner(parsed(texts), { ...ownerAccess, ...changed });

test("an owner's token clears the owner's paths: with method = * all methods, else its own", () => {
  const all = [ownerTarget, 'method = *', 'path = /owner/*'];
  for (const method of ['GET', 'POST', 'DELETE']) assert.equal(owner(all, { method }), undefined);
  const one = [ownerTarget, 'method = POST', 'path = /owner/root-key/refresh'];
  assert.equal(owner(one), undefined);
  assert.equal(owner(one, { method: 'GET' })?.code, 'caveat_refused');
  assert.equal(owner(one, { path: '/owner/exports' })?.code, 'caveat_refused');
  assert.equal(owner([...all, 'path = /owner/root-key/*', 'time < 2030-01-01T00:00:00Z']), undefined);
});

test("no app's token clears the owner's paths, whatever it leaves out or adds", () => {
  const refusals: [string[], string][] = [
    [[ownerTarget, 'method = *', 'path = *'], 'caveat_refused'],
    [[ownerTarget, 'method = *', 'path = /*'], 'caveat_refused'],
    [[ownerTarget, 'method = *', 'path = /owner*'], 'caveat_refused'],
    [[ownerTarget, 'method = *', 'path = *', 'path = /owner/*'], 'caveat_refused'],
    [[ownerTarget, 'method = *', 'path = /owner/*', 'destination = https://a.example/in'], 'caveat_refused'],
    [[ownerTarget, 'method = *', 'path = /owner/*', 'destination = '], 'caveat_refused'],
    [[ownerTarget, 'method = POST', 'path = /lp/export', 'path = /owner/*'], 'caveat_refused'],
    [[ownerTarget, 'method = *'], 'caveat_missing'],
    [[ownerTarget, 'path = /owner/*'], 'caveat_missing'],
    [['method = *', 'path = /owner/*'], 'caveat_missing'],
    [['target = another', 'method = *', 'path = /owner/*'], 'caveat_refused'],
    [[ownerTarget, 'method = *', 'path = /owner/*', 'time < 2026-11-24T12:00:00Z'], 'caveat_refused'],
    [[ownerTarget, 'method = *', 'path = /owner/*', 'app = mine'], 'caveat_refused'],
  ];
  for (const [texts, code] of refusals) {
    for (const some of [texts, texts.toReversed()]) assert.equal(owner(some)?.code, code, texts.join(', '));
  }
  assert.match(
    owner([ownerTarget, 'method = *', 'path = *'])?.detail ?? '',
    /"path = \*", so it is an app's.*token mint/,
  );
});

test("an owner's token exports nothing", () => {
  assert.equal(request([ownerTarget, 'method = *', 'path = /owner/*'])?.code, 'caveat_refused');
});

test('whatever caveats it has or lacks, a token clears for the owner only if it is the owner’s', () => {
  const caveat = fc.oneof(
    fc.constantFrom(
      'target = export-service',
      'target = another',
      'method = *',
      'method = POST',
      'method = GET',
      'path = *',
      'path = /*',
      'path = /owner*',
      'path = /owner',
      'path = /owner/*',
      'path = /owner/rules',
      'path = /export',
      'path = ',
      'destination = https://a.example/in',
      'destination = ',
      'data-bytes <= 10',
      'time < 2020-01-01T00:00:00Z',
      'time < 2099-01-01T00:00:00Z',
      'colour = red',
    ),
    fc.string({ maxLength: 20 }),
  );
  const rules = { ...access, path: '/owner/rules' };
  const isOwners = (texts: readonly string[]): boolean => {
    const has = (...choices: string[]) => texts.some((text) => choices.includes(text));
    const good = [
      'target = export-service',
      'method = *',
      'method = POST',
      'path = /owner/*',
      'path = /owner/rules',
      'data-bytes <= 10',
      'time < 2099-01-01T00:00:00Z',
    ];
    const isWhole =
      has('target = export-service') &&
      has('method = *', 'method = POST') &&
      has('path = /owner/*', 'path = /owner/rules');
    return isWhole && texts.every((text) => good.includes(text));
  };
  let cleared = 0;
  const holds = (texts: readonly string[]): void => {
    const denial = clearOwner(parsed(texts), rules);
    assert.equal(denial === undefined, isOwners(texts), JSON.stringify(texts));
    if (denial === undefined) cleared += 1;
    else assert.ok(denial.detail.length > 0);
  };
  fc.assert(fc.property(fc.array(caveat, { maxLength: 6 }), holds), { numRuns: 5_000 });
  const owners = ['target = export-service', 'method = *', 'path = /owner/*'];
  fc.assert(
    fc.property(fc.array(caveat, { maxLength: 2 }), (more) => holds([...owners, ...more])),
    { numRuns: 2_000 },
  );
  assert.ok(cleared > 0, 'some are');
});
