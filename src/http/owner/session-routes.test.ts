/** One-time links, the session of the owner's page, and what a cookie may change. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { tokenWith } from '../../../test/support/http/http-fixture.ts';
import { OWNER_TOKEN, OwnerFixture } from '../../../test/support/http/owner-fixture.ts';

const RULE = { kind: 'block' };

async function makeCode(fixture: OwnerFixture): Promise<string> {
  const { status, text } = await fixture.ask('POST', '/owner/links');
  assert.equal(status, 200, text);
  return JSON.parse(text).code;
}

/** Signs in; the cookie as a browser would send it, and with its attributes. */
async function signIn(fixture: OwnerFixture): Promise<{ cookie: string; attributes: string[] }> {
  const code = await makeCode(fixture);
  const { status, headers } = await fixture.ask('POST', '/ui/session', { code }, { token: null });
  assert.equal(status, 200);
  const [cookie = '', ...attributes] = headers['set-cookie']?.[0]?.split('; ') ?? [];
  return { cookie, attributes };
}

function origin({ http }: OwnerFixture): string {
  return `http://127.0.0.1:${http.port}`;
}

describe('a one-time link', () => {
  it('is made by the owner alone', async () => {
    await using fixture = await OwnerFixture.start();
    for (const token of [null, tokenWith(), tokenWith({ method: '*', destination: null })]) {
      const { status } = await fixture.ask('POST', '/owner/links', undefined, { token });
      assert.equal(status, 401);
    }
    const { headers, text } = await fixture.ask('POST', '/owner/links', {});
    assert.equal(JSON.parse(text).expires_at, '2026-01-01T00:10:00.000Z');
    assert.equal(headers['cache-control'], 'no-store');
  });

  it('opens one session; used twice, too late, or never made says which and what to do', async () => {
    await using fixture = await OwnerFixture.start();
    const [used, late] = [await makeCode(fixture), await makeCode(fixture)];
    const open = (code: unknown) => fixture.ask('POST', '/ui/session', { code }, { token: null });
    assert.equal((await open(used)).status, 200);
    fixture.clock.advance(10 * 60_000);
    for (const [code, detail] of [
      [used, /used already/],
      [late, /run out.*10 minutes/],
      ['x', /no link of this service/],
    ] as const) {
      const { status, json, headers } = await open(code);
      assert.deepEqual([status, json.code], [401, 'invalid_token']);
      assert.match(json.detail, detail);
      assert.match(json.detail, /owner-link/);
      assert.equal(headers['set-cookie'], undefined);
    }
    for (const body of [undefined, {}, { code: 1 }, { code: '' }, { code: used, more: 1 }, []]) {
      const { status } = await fixture.ask('POST', '/ui/session', body, { token: null });
      assert.equal(status, 400, JSON.stringify(body));
    }
    const padded = (bytes: number) => JSON.stringify({ code: used }).padEnd(bytes);
    const of = (body: string) => fixture.ask('POST', '/ui/session', body, { token: null });
    assert.equal((await of(padded(1_024))).status, 401);
    const { status, json } = await of(padded(1_025));
    assert.deepEqual([status, json.code], [413, 'payload_too_large']);
  });

  it('another site cannot sign this page in', async () => {
    await using fixture = await OwnerFixture.start();
    const code = await makeCode(fixture);
    const from = (site: string) =>
      fixture.ask('POST', '/ui/session', { code }, { token: null, headers: { origin: site } });
    for (const site of ['https://evil.example', 'null', `${origin(fixture)}1`])
      assert.equal((await from(site)).json.code, 'caveat_refused');
    assert.equal((await from(origin(fixture))).status, 200);
  });
});

describe("the page's session", () => {
  it('is a cookie that no script reads and no other site uses, for twelve hours', async () => {
    await using fixture = await OwnerFixture.start();
    const { cookie, attributes } = await signIn(fixture);
    assert.match(cookie, new RegExp(`^export-owner-${fixture.http.port}=[\\w-]{43}$`));
    assert.deepEqual(attributes.slice(2), ['HttpOnly', 'SameSite=Strict']);
    assert.equal(attributes[0], 'Path=/');
    assert.match(attributes[1] ?? '', /^Max-Age=43200$/);
    const get = () =>
      fixture.ask('GET', '/owner/rules', undefined, { token: null, headers: { cookie: `a=b; ${cookie}` } });
    assert.equal((await get()).status, 200);
    fixture.clock.advance(12 * 3_600_000);
    const { status, json } = await get();
    assert.deepEqual([status, json.code], [401, 'invalid_token']);
    assert.match(json.detail, /session.*ended.*owner-link/);
  });

  it("changes nothing unless the page's own origin asks", async () => {
    await using fixture = await OwnerFixture.start();
    const { cookie } = await signIn(fixture);
    const add = (headers: Record<string, string>) =>
      fixture.ask('POST', '/owner/rules', RULE, { token: null, headers: { cookie, ...headers } });
    const { port } = fixture.http;
    for (const headers of [
      {},
      { origin: 'null' },
      { origin: '' },
      { origin: 'https://evil.example' },
      { origin: `http://127.0.0.1` },
      { origin: `http://127.0.0.1:${port + 1}` },
      { origin: `http://localhost:${port}` },
      { origin: `http://127.0.0.1:${port}.evil.example` },
      { origin: `http://127.0.0.1:${port}/` },
      { referer: `http://127.0.0.1:${port}/ui/` },
    ]) {
      const { status, json } = await add(headers as Record<string, string>);
      assert.deepEqual([status, json.code], [401, 'caveat_refused'], JSON.stringify(headers));
      assert.match(json.detail, /Origin/);
    }
    assert.deepEqual(JSON.parse((await fixture.ask('GET', '/owner/rules')).text).items, []);
    const made = await add({ origin: origin(fixture) });
    assert.equal(made.status, 200);
    const path = `/owner/rules/${made.json.id}`;
    const remove = (headers: Record<string, string>) =>
      fixture.ask('DELETE', path, undefined, { token: null, headers: { cookie, ...headers } });
    assert.equal((await remove({})).status, 401);
    assert.equal((await remove({ origin: origin(fixture) })).status, 204);
  });

  it('behind a proxy that speaks TLS the origin is the one that the browser sees', async () => {
    await using fixture = await OwnerFixture.start();
    const code = await makeCode(fixture);
    const headers = { host: 'box.example', origin: 'https://box.example' };
    const opened = await fixture.ask('POST', '/ui/session', { code }, { token: null, headers });
    const cookie = opened.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    assert.match(cookie, /^export-owner=/);
    const options = { token: null, headers: { ...headers, cookie } };
    assert.equal((await fixture.ask('POST', '/owner/rules', RULE, options)).status, 200);
  });

  it('a token that is there decides, whatever cookie there is', async () => {
    await using fixture = await OwnerFixture.start();
    const { cookie } = await signIn(fixture);
    const get = (token: string) =>
      fixture.ask('GET', '/owner/rules', undefined, { token, headers: { cookie } });
    assert.equal((await get(tokenWith())).json.code, 'caveat_refused');
    assert.equal((await get(OWNER_TOKEN)).status, 200);
  });

  it('opens nothing that is for apps', async () => {
    await using fixture = await OwnerFixture.start();
    const { cookie } = await signIn(fixture);
    const headers = { cookie, origin: origin(fixture) };
    const { json } = await fixture.ask('POST', '/export', {}, { token: null, headers });
    assert.equal(json.code, 'missing_token');
  });

  it('ends when it is signed out, which another site cannot do', async () => {
    await using fixture = await OwnerFixture.start();
    const { cookie } = await signIn(fixture);
    const leave = (headers: Record<string, string>) =>
      fixture.ask('DELETE', '/ui/session', undefined, { token: null, headers });
    assert.equal((await leave({ cookie, origin: 'https://evil.example' })).json.code, 'caveat_refused');
    const left = await leave({ cookie, origin: origin(fixture) });
    assert.equal(left.status, 204);
    assert.match(left.headers['set-cookie']?.[0] ?? '', /^export-owner-\d+=; Path=\/; Max-Age=0;/);
    const after = await fixture.ask('GET', '/owner/rules', undefined, { token: null, headers: { cookie } });
    assert.equal(after.json.code, 'invalid_token');
    assert.equal((await leave({})).status, 204);
  });
});
