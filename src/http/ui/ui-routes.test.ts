/** How the owner's page is served; what it does is in test/e2e. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { HttpFixture } from '../../../test/support/http/http-fixture.ts';
import { TemporaryDirectory } from '../../../test/support/temporary-store.ts';

const PAGE = '<!doctype html><title>page</title>';
const SCRIPT = 'export const one = 1;';

async function start(files: Readonly<Record<string, string>>) {
  const folder = new TemporaryDirectory();
  mkdirSync(folder.file('assets'));
  for (const [name, text] of Object.entries(files)) writeFileSync(folder.file(name), text);
  const fixture = await HttpFixture.start({ uiFolder: folder.path });
  return {
    get: (path: string, headers = {}) => fixture.send({ method: 'GET', path, token: null, headers }),
    send: fixture.send.bind(fixture),
    async [Symbol.asyncDispose]() {
      await fixture[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

const BUILT = { 'index.html': PAGE, 'assets/index-abc123.js': SCRIPT, 'icon.svg': '<svg/>' };

describe('the owner’s page', () => {
  it('is asked for again each time, and its hashed files never', async () => {
    await using server = await start(BUILT);
    const page = await server.get('/ui/');
    assert.deepEqual([page.status, page.text], [200, PAGE]);
    assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
    assert.equal(page.headers['cache-control'], 'no-cache');
    const script = await server.get('/ui/assets/index-abc123.js');
    assert.equal(script.headers['content-type'], 'text/javascript; charset=utf-8');
    assert.equal(script.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal((await server.get('/ui/icon.svg')).headers['cache-control'], 'no-cache');
  });

  it('lets nobody else take part: no script but its own, no frame, no other origin', async () => {
    await using server = await start(BUILT);
    for (const path of ['/ui/', '/ui/assets/index-abc123.js']) {
      const { headers } = await server.get(path);
      const policy = String(headers['content-security-policy']).split('; ');
      for (const rule of [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "require-trusted-types-for 'script'",
      ])
        assert.ok(policy.includes(rule), `${path}: ${rule}`);
      assert.doesNotMatch(String(headers['content-security-policy']), /unsafe|\*|data:|http/);
      assert.equal(headers['x-content-type-options'], 'nosniff');
      assert.equal(headers['referrer-policy'], 'no-referrer');
      assert.equal(headers['x-frame-options'], 'DENY');
      assert.equal(headers['cross-origin-opener-policy'], 'same-origin');
      assert.equal(headers['cross-origin-resource-policy'], 'same-origin');
    }
  });

  it('is compressed for those who take it', async () => {
    await using server = await start(BUILT);
    const plain = await server.get('/ui/assets/index-abc123.js', { 'accept-encoding': 'gzip;q=0' });
    assert.deepEqual([plain.text, plain.headers['content-encoding']], [SCRIPT, undefined]);
    const packed = await server.get('/ui/assets/index-abc123.js', { 'accept-encoding': 'br, gzip' });
    assert.equal(packed.headers['content-encoding'], 'gzip');
    assert.equal(packed.headers.vary, 'accept-encoding');
    assert.equal(Number(packed.headers['content-length']), packed.bytes.byteLength);
    assert.equal(gunzipSync(packed.bytes).toString(), SCRIPT);
  });

  it('leads to its own slash, and has no other files', async () => {
    await using server = await start(BUILT);
    const { status, headers } = await server.get('/ui');
    assert.deepEqual([status, headers.location], [308, './ui/']);
    for (const path of [
      '/ui/index.html',
      '/ui/nothing',
      '/ui/../package.json',
      '/ui/assets/',
      '/ui/%2e%2e/x',
    ])
      assert.equal((await server.get(path)).json.code, 'not_found', path);
    assert.equal((await server.send({ method: 'POST', path: '/ui/', token: null })).status, 405);
  });

  it('that is not built says how to build it', async () => {
    await using server = await start({});
    const { status, text } = await server.get('/ui/');
    assert.equal(status, 503);
    assert.match(text, /npm run build:ui/);
  });

  it('with a file of a kind that no page of ours has is not served at all', async () => {
    await assert.rejects(start({ ...BUILT, 'secret.map': '{}' }), /unknown kind: secret\.map/);
  });
});
