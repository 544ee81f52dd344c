/** The owner's routes: who may, in which order it is judged, and what a request may say. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HttpFixture, type TokenOptions, tokenWith } from '../../test/support/http/http-fixture.ts';
import { ExportError } from '../export/errors.ts';
import type { PublicSigningKey } from '../export/signer.ts';
import type { OwnerActions } from './server.ts';

const PATH = '/owner/root-key/refresh';

function ownerToken(changes: TokenOptions = {}): string {
  return tokenWith({ method: '*', path: '/owner/*', destination: null, identifier: '', ...changes });
}

const SIGNING_KEYS: readonly PublicSigningKey[] = [
  { id: 'new', publicKey: Buffer.alloc(32, 2), madeAt: 9, validUntil: null },
  { id: 'old', publicKey: Buffer.alloc(32, 1), madeAt: 1, validUntil: 86_400_000 },
];

/** Records what was asked of it. */
class RecordingOwner implements Pick<OwnerActions, 'refreshRootKey' | 'rotateSigningKey'> {
  readonly refreshes: boolean[] = [];
  rotations = 0;

  async refreshRootKey(dropOld: boolean) {
    this.refreshes.push(dropOld);
    return { keys: 3, dropped: dropOld ? 2 : 0 };
  }

  async rotateSigningKey() {
    this.rotations += 1;
    return SIGNING_KEYS;
  }
}

async function start(options: Parameters<typeof HttpFixture.start>[0] = {}) {
  const owner = new RecordingOwner();
  const fixture = await HttpFixture.start({ owner, ...options });
  const post = (body?: unknown, token: string | null = ownerToken(), headers = {}) =>
    fixture.send({ path: PATH, token, headers, ...(body === undefined ? {} : { body }) });
  return { owner, fixture, post, [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose]() };
}

describe('POST /owner/root-key/refresh', () => {
  it('gets a new key, and drops the old ones when it is told to', async () => {
    await using server = await start();
    for (const body of ['', {}, { drop_old: false }]) {
      const { status, json, headers } = await server.post(body);
      assert.deepEqual([status, json], [200, { keys: 3, dropped: 0 }]);
      assert.equal(headers['content-type'], 'application/json');
    }
    assert.deepEqual((await server.post({ drop_old: true })).json, { keys: 3, dropped: 2 });
    assert.deepEqual(server.owner.refreshes, [false, false, false, true]);
  });

  it('takes the token from any of the three headers', async () => {
    await using server = await start();
    const token = ownerToken();
    const basic = `Basic ${Buffer.from(`${token}:`).toString('base64')}`;
    for (const authorization of [basic, `Bearer ${token}`]) {
      assert.equal((await server.post({}, null, { authorization })).status, 200);
    }
  });

  it('refuses what it does not understand, and does nothing then', async () => {
    await using server = await start();
    const wrong: [unknown, string, RegExp][] = [
      ['{', 'invalid_json', /not valid JSON/],
      [Buffer.from('{"drop_old":"\xff"}', 'latin1'), 'invalid_json', /UTF-8/],
      [[], 'invalid_request', /no JSON object/],
      ['null', 'invalid_request', /no JSON object/],
      [{ drop_old: 'yes' }, 'invalid_request', /"drop_old" is neither true nor false/],
      [{ drop_old: 1 }, 'invalid_request', /"drop_old"/],
      [{ drop_old: null }, 'invalid_request', /"drop_old"/],
      [{ dropOld: true }, 'invalid_request', /"dropOld" is no field.*drop_old/],
    ];
    for (const [body, code, detail] of wrong) {
      const { status, json } = await server.post(body);
      assert.deepEqual([status, json.code], [400, code], JSON.stringify(body));
      assert.match(json.detail, detail);
    }
    assert.equal((await server.post({ drop_old: ' '.repeat(70_000) })).json.code, 'payload_too_large');
    assert.deepEqual(server.owner.refreshes, []);
  });

  it('answers what the service refuses with', async () => {
    const refreshRootKey = async () => {
      throw new ExportError('no_root_key', 'The arbiter is asleep.');
    };
    await using server = await start({ owner: { refreshRootKey } });
    const { status, json, headers } = await server.post();
    assert.deepEqual([status, json.code, json.detail], [503, 'no_root_key', 'The arbiter is asleep.']);
    assert.ok(Number(headers['retry-after']) > 0);
  });

  it('a mistake of ours is a 500 without a reason', async () => {
    const refreshRootKey = async () => {
      throw new TypeError('oops');
    };
    await using server = await start({ owner: { refreshRootKey } });
    const { status, text } = await server.post();
    assert.equal(status, 500);
    assert.doesNotMatch(text, /oops/);
    assert.equal(server.fixture.unexpected.length, 1);
  });
});

describe('POST /owner/signing-key/rotate', () => {
  const path = '/owner/signing-key/rotate';

  it('makes a new key and tells all that sign now, as they are published', async () => {
    await using server = await start({ signingKeys: () => SIGNING_KEYS });
    const { status, json } = await server.fixture.send({ path, token: ownerToken(), body: {} });
    assert.deepEqual([status, server.owner.rotations], [200, 1]);
    const published = await server.fixture.send({ method: 'GET', path: '/.well-known/export-signing-keys' });
    assert.deepEqual(json, published.json);
  });

  it('is the owner’s alone, and takes no field', async () => {
    await using server = await start();
    assert.equal((await server.fixture.send({ path, body: {} })).json.code, 'caveat_refused');
    const { json } = await server.fixture.send({ path, token: ownerToken(), body: { drop_old: true } });
    assert.equal(json.code, 'invalid_request');
    assert.match(json.detail, /"drop_old" is no field of this request; it takes none/);
    assert.equal(server.owner.rotations, 0);
  });
});

describe('the judgement of an owner', () => {
  it('lets nobody in but an owner, and nothing happens for the others', async () => {
    await using server = await start();
    const others: [string | null, string][] = [
      [null, 'missing_token'],
      ['garbage', 'malformed_token'],
      [ownerToken({ rootKey: Buffer.from('another') }), 'invalid_token'],
      [tokenWith(), 'caveat_refused'],
      [ownerToken({ path: '*' }), 'caveat_refused'],
      [ownerToken({ path: '*', more: ['path = /owner/*'] }), 'caveat_refused'],
      [ownerToken({ destination: 'https://a.example/' }), 'caveat_refused'],
      [ownerToken({ path: '/owner/exports' }), 'caveat_refused'],
      [ownerToken({ method: 'GET' }), 'caveat_refused'],
      [ownerToken({ target: 'another' }), 'caveat_refused'],
      [ownerToken({ more: ['time < 2026-03-01T12:00:00Z'] }), 'caveat_refused'],
      [ownerToken({ path: null }), 'caveat_missing'],
      [ownerToken({ method: null }), 'caveat_missing'],
      [ownerToken({ target: null }), 'caveat_missing'],
    ];
    for (const [token, code] of others) {
      const { status, json } = await server.post({}, token);
      assert.deepEqual([status, json.code], [401, code]);
    }
    assert.deepEqual(server.owner.refreshes, []);
    const exact = ownerToken({ method: 'POST', path: PATH, more: ['time < 2026-03-01T12:00:01Z'] });
    assert.equal((await server.post({}, exact)).status, 200);
  });

  it('is the same where tokens without a destination are accepted: an app that has none is no owner', async () => {
    await using server = await start({ requireDestination: false });
    const app = tokenWith({ destination: null });
    assert.equal((await server.post({}, app)).json.code, 'caveat_refused');
  });

  it('comes after the path and the method, and after the root key is there', async () => {
    await using server = await start();
    const elsewhere = await server.fixture.send({ path: '/owner/nothing', token: null });
    assert.equal(elsewhere.json.code, 'not_found');
    const get = await server.fixture.send({ path: PATH, method: 'GET', token: null });
    assert.deepEqual([get.status, get.headers.allow], [405, 'POST']);
    await using keyless = await start({ keys: [] });
    assert.equal((await keyless.post({}, null)).json.code, 'no_root_key');
  });

  it('is about the path as it was sent: another spelling of it is none of ours', async () => {
    await using server = await start();
    const token = ownerToken();
    for (const path of ['/%6fwner/root-key/refresh', '/owner%2froot-key/refresh']) {
      assert.equal((await server.fixture.send({ path, token, body: {} })).json.code, 'not_found', path);
    }
    const narrow = ownerToken({ path: PATH });
    const spelt = await server.fixture.send({ path: '/owner/root%2Dkey/refresh', token: narrow, body: {} });
    assert.equal(spelt.json.code, 'caveat_refused');
    assert.equal((await server.fixture.send({ path: `${PATH}?a=b`, token, body: {} })).status, 200);
  });

  it('comes before the body: no body is asked for that would be refused', async () => {
    await using server = await start();
    const head = (token: string) =>
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: ${token}\r\nexpect: 100-continue\r\n` +
      'content-length: 2\r\n\r\n';
    const refused = await server.fixture.connect();
    refused.end(head(tokenWith()));
    assert.match(Buffer.concat(await refused.toArray()).toString(), /^HTTP\/1\.1 401 /);
    const asked = await server.fixture.exchange(`${head(ownerToken())}{}`);
    assert.match(asked, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /);
  });
});
