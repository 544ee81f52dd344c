import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { tokenWith } from '../../test/support/http/http-fixture.ts';
import { OwnerFixture } from '../../test/support/http/owner-fixture.ts';
import { openApiDocument } from './openapi/document.ts';
import { OWNER_OPERATIONS } from './openapi/owner-operations.ts';

/** What OpenAPI says about an answer. */
type Content = { 'application/json': { schema: object } };

const SETTINGS = { bodyBytesMax: 64 * 1_024, longPollMaxMs: 300_000, attemptsMax: 9 };

describe("the owner's rules", () => {
  it('are made, listed and removed; what a rule does not have is left out', async () => {
    await using fixture = await OwnerFixture.start();
    const asked = { kind: 'budget', app: 'steps', limit: 10, unit: 'exports', per: 'day', note: 'enough' };
    const made = await fixture.ask('POST', '/owner/rules', asked);
    assert.equal(made.status, 200, made.text);
    const rule = JSON.parse(made.text);
    assert.deepEqual(rule, { ...asked, id: rule.id, created_at: '2026-01-01T00:00:00.000Z' });
    const list = await fixture.ask('GET', '/owner/rules');
    assert.deepEqual(JSON.parse(list.text), { items: [rule], next: null });
    const removed = await fixture.ask('DELETE', `/owner/rules/${rule.id}`);
    assert.deepEqual([removed.status, removed.text], [204, '']);
    assert.equal((await fixture.ask('DELETE', `/owner/rules/${rule.id}`)).json.code, 'not_found');
  });

  const wrong: [body: unknown, message: RegExp][] = [
    [{}, /"kind" is missing: "block", "hold" or "budget"/],
    [{ kind: 'ban' }, /"kind" is one of "block", "hold", "budget"/],
    [{ kind: 'Block' }, /"kind"/],
    [{ kind: 'block', app: 7 }, /"app" is no string/],
    [{ kind: 'block', limit: 7 }, /"limit" belongs to a budget/],
    [{ kind: 'block', destination: 'example.org' }, /"destination" is neither a URL nor an origin/],
    [{ kind: 'hold', destination: 'lab.example:443' }, /"destination" is neither a URL nor an origin/],
    [{ kind: 'block', until: 'monday' }, /"until" is no field/],
    [{ kind: 'budget', limit: '7', unit: 'bytes', per: 'day' }, /"limit" is no number/],
    [{ kind: 'budget', limit: 7, unit: 'kilobytes', per: 'day' }, /"unit" is one of/],
    [{ kind: 'budget', limit: 7, unit: 'bytes' }, /"per" is missing/],
    [[], /no JSON object/],
  ];
  for (const [body, message] of wrong) {
    it(`${JSON.stringify(body)} is refused by the name of the field`, async () => {
      await using fixture = await OwnerFixture.start();
      const { status, json } = await fixture.ask('POST', '/owner/rules', body);
      assert.deepEqual([status, json.code], [400, 'invalid_request']);
      assert.match(json.detail, message);
    });
  }
});

describe("the owner's exports", () => {
  it('are listed by page, and shown one by one, without their data', async () => {
    await using fixture = await OwnerFixture.start();
    const first = await fixture.insert();
    const second = await fixture.insert({ lane: { client: '', destination: 'https://a.example/in' } });
    const page = JSON.parse((await fixture.ask('GET', '/owner/exports?limit=1')).text);
    assert.equal(page.items[0].id, second);
    assert.equal(page.items[0].app, null, 'the arbiter names none');
    const next = JSON.parse((await fixture.ask('GET', `/owner/exports?limit=1&before=${page.next}`)).text);
    assert.equal(next.next, null);
    const one = await fixture.ask('GET', `/owner/exports/${first}`);
    assert.deepEqual(JSON.parse(one.text), next.items[0]);
    assert.deepEqual(next.items[0], {
      id: first,
      app: 'steps',
      peer: '192.0.2.7',
      destination: 'https://a.example/in',
      state: 'Pending',
      outcome: null,
      bytes: 8,
      accepted_at: '2026-01-01T00:00:00.000Z',
      finished_at: null,
      attempts: [],
      held_by: null,
      redelivery_of: null,
    });
    await fixture.ask('POST', `/owner/exports/${first}/cancel`);
    const found = await fixture.ask(
      'GET',
      '/owner/exports?state=Finished&app=steps&destination=https://a.example',
    );
    assert.equal(JSON.parse(found.text).items[0].outcome, 'cancelled');
    assert.equal((await fixture.ask('GET', `/owner/exports/${randomUUID()}`)).json.code, 'unknown_export');
  });

  it('are told of as the API page says', async () => {
    await using fixture = await OwnerFixture.start();
    const id = await fixture.insert();
    const rule = { kind: 'budget', app: 'steps', limit: 10, unit: 'exports', per: 'day' };
    const { paths } = openApiDocument('0.0.0', SETTINGS) as {
      paths: Record<string, Record<string, { responses: Record<string, { content: Content }> }>>;
    };
    for (const [method, path, body] of [
      ['POST', '/owner/rules', rule],
      ['GET', '/owner/rules'],
      ['GET', '/owner/exports'],
      ['GET', '/owner/exports/{id}'],
      ['GET', '/owner/summary'],
      ['POST', '/owner/exports/{id}/cancel'],
      ['GET', '/owner/exports/{id}'],
    ] as const) {
      const answer = await fixture.ask(method, path.replace('{id}', id), body);
      const described = paths[path]?.[method.toLowerCase()]?.responses['200'];
      const ajv = new Ajv2020({ strict: false, validateFormats: false });
      const isRight = ajv.validate(described?.content['application/json'].schema ?? false, answer.json);
      assert.ok(isRight, `${method} ${path}: ${ajv.errorsText()}`);
    }
  });

  it('are summed up by app and destination', async () => {
    await using fixture = await OwnerFixture.start();
    await fixture.insert();
    const ask = async (query: string) =>
      JSON.parse((await fixture.ask('GET', `/owner/summary${query}`)).text).items;
    const time = '2026-01-01T00:00:00.000Z';
    const outcomes = { delivered: 0, undeliverable: 0, blocked: 0, cancelled: 0, open: 1 };
    const lane = { app: 'steps', destination: 'https://a.example/in' };
    const sum = { ...lane, accepted: 1, outcomes, bytes: 8, first_at: time, last_at: time };
    assert.deepEqual(await ask(''), [sum]);
    assert.deepEqual(await ask('?since=2026-01-01&until=2026-01-02T00:00:00Z'), [sum]);
    assert.deepEqual(await ask('?until=2026-01-01'), []);
  });

  const wrong: [query: string, message: RegExp][] = [
    ['exports?limit=0', /"limit" is no whole number from 1 to 500/],
    ['exports?limit=501', /"limit"/],
    ['exports?limit=x', /"limit"/],
    ['exports?before=x', /"before"/],
    ['exports?state=done', /"state" is one of "Pending", "Processing", "Finished"/],
    ['exports?app=a&app=b', /"app" is given twice/],
    ['exports?apps=a', /"apps" is no parameter/],
    ['summary?since=monday', /"since" is no time/],
    ['summary?since=2026-02-30', /"since" is no time/],
    ['summary?since=2026-11-24T12:00:00', /"since" is no time/],
    ['summary?since=2026-11-24%2012:00Z', /"since" is no time/],
    ['summary?until=2026-11-24T12:00:00%20PST', /"until" is no time/],
    ['summary?until=2026-11-24T', /"until" is no time/],
    ['summary?app=a', /"app" is no parameter/],
  ];
  for (const [query, message] of wrong) {
    it(`${query} is refused by the name of the parameter`, async () => {
      await using fixture = await OwnerFixture.start();
      const { status, json } = await fixture.ask('GET', `/owner/${query}`);
      assert.deepEqual([status, json.code], [400, 'invalid_request']);
      assert.match(json.detail, message);
    });
  }
});

it('an export that is not there cannot be taken back', async () => {
  await using fixture = await OwnerFixture.start();
  for (const id of [randomUUID(), 'x', '%00']) {
    const { status, json } = await fixture.ask('POST', `/owner/exports/${id}/cancel`);
    assert.deepEqual([status, json.code], [404, 'unknown_export'], id);
  }
});

describe("no app's token is the owner's", () => {
  const tokens: [what: string, token: string][] = [
    ['an app token', tokenWith()],
    ['one for every path', tokenWith({ path: '*', destination: null })],
    ['one for every path and method', tokenWith({ path: '*', method: '*', destination: null })],
    ['one without a path', tokenWith({ path: null, method: '*', destination: null })],
    ['one for the path, with a destination', tokenWith({ path: '/owner/*', method: '*' })],
    ['one whose path begins like it', tokenWith({ path: '/owner*', method: '*', destination: null })],
    ['one of another service', tokenWith({ path: '/owner/*', method: '*', destination: null, target: 'x' })],
    ['one for reading', tokenWith({ path: '/owner/*', method: 'GET', destination: null })],
    [
      'one that was for every path, narrowed by its holder',
      tokenWith({ path: '*', method: '*', destination: null, more: ['path = /owner/*'] }),
    ],
    [
      'one with a caveat that nobody knows',
      tokenWith({ path: '/owner/*', method: '*', destination: null, more: ['colour = red'] }),
    ],
    ['one with an empty destination', tokenWith({ path: '/owner/*', method: '*', destination: '' })],
    ['one without a target', tokenWith({ path: '/owner/*', method: '*', destination: null, target: null })],
    ['one without a method', tokenWith({ path: '/owner/*', method: null, destination: null })],
    [
      'one that is narrowed to an app path',
      tokenWith({ path: '/owner/*', method: '*', destination: null, more: ['path = /export'] }),
    ],
    [
      'one that has run out',
      tokenWith({ path: '/owner/*', method: '*', destination: null, more: ['time < 2020-01-01T00:00:00Z'] }),
    ],
    [
      'a forged one',
      tokenWith({ path: '/owner/*', method: '*', destination: null, rootKey: Buffer.from('x') }),
    ],
  ];
  const routes = OWNER_OPERATIONS.filter(({ needsToken }) => needsToken);

  for (const [what, token] of tokens) {
    it(`${what}: it opens no route, and each says why`, async () => {
      await using fixture = await OwnerFixture.start();
      assert.ok(routes.length >= 12);
      for (const { method, path } of routes) {
        // A token for reading is an owner's, as far as it goes.
        if (what === 'one for reading' && method === 'get') continue;
        const url = path.replace('{id}', randomUUID());
        const { status, headers, json } = await fixture.ask(method.toUpperCase(), url, undefined, { token });
        assert.equal(status, 401, `${method} ${path}`);
        assert.equal(headers['content-type'], 'application/problem+json');
        assert.match(json.code, /^(caveat_refused|caveat_missing|invalid_token)$/);
        assert.ok(json.detail.length > 20, 'it says why');
      }
      assert.deepEqual(JSON.parse((await fixture.ask('GET', '/owner/rules')).text).items, []);
    });
  }

  it('but one without path and destination is when its holder adds a path: docs/threat-model.md says who must not make such', async () => {
    await using fixture = await OwnerFixture.start();
    const narrowed = tokenWith({ path: null, method: '*', destination: null, more: ['path = /owner/*'] });
    const minted = tokenWith({ path: '/owner/*', method: '*', destination: null });
    for (const token of [narrowed, minted])
      assert.equal((await fixture.ask('GET', '/owner/rules', undefined, { token })).status, 200);
    const withDestination = tokenWith({ path: null, method: '*', more: ['path = /owner/*'] });
    const { status, json } = await fixture.ask('GET', '/owner/rules', undefined, { token: withDestination });
    assert.deepEqual([status, json.code], [401, 'caveat_refused']);
  });

  it('nor does one without a token get in', async () => {
    await using fixture = await OwnerFixture.start();
    const { status, json } = await fixture.ask('GET', '/owner/rules', undefined, { token: null });
    assert.deepEqual([status, json.code], [401, 'missing_token']);
  });
});
