import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { CheckpointFile, CheckpointUrl } from './places.ts';

describe('a file for checkpoints', () => {
  it('holds the last one that was written, and no draft is left beside it', async () => {
    using directory = new TemporaryDirectory();
    const file = new CheckpointFile(directory.file('head'));
    assert.equal(await file.read(), null);
    for (const note of ['a longer note', 'note']) {
      await file.write(note);
      assert.equal(await file.read(), note);
    }
    assert.deepEqual(readdirSync(directory.path), ['head']);
  });

  it('that cannot be written keeps what it held, and that cannot be read is no empty one', async () => {
    using directory = new TemporaryDirectory();
    const path = directory.file('head');
    writeFileSync(path, 'old');
    mkdirSync(`${path}.new`);
    const file = new CheckpointFile(path);
    await assert.rejects(file.write('new'));
    assert.equal(await file.read(), 'old');
    await assert.rejects(new CheckpointFile(directory.path).read(), /cannot be read/);
    await assert.rejects(new CheckpointFile(directory.file('nowhere/head')).write('a'));
  });
});

describe('a URL for checkpoints', () => {
  async function startNotary(status: number) {
    const requests: { request: IncomingMessage; body: string }[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        requests.push({ request, body });
        response.writeHead(status, { location: '/elsewhere' }).end('noted');
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      requests,
      url: (credentials = '') =>
        new URL(`http://${credentials}127.0.0.1:${(server.address() as AddressInfo).port}/in?key=1`),
      [Symbol.dispose]() {
        server.closeAllConnections();
        server.close();
      },
    };
  }

  it('gets each by POST as text, with the credentials of the URL, which no message shows', async () => {
    using notary = await startNotary(204);
    const place = new CheckpointUrl(notary.url('me:s%20ecret@'));
    await place.write('note\n');
    const [{ request, body } = assert.fail('nothing came')] = notary.requests;
    assert.deepEqual([request.method, request.url, body], ['POST', '/in?key=1', 'note\n']);
    assert.equal(request.headers['content-type'], 'text/plain; charset=utf-8');
    assert.equal(request.headers.authorization, `Basic ${Buffer.from('me:s ecret').toString('base64')}`);
    assert.match(place.where, /^http:\/\/127\.0\.0\.1:\d+\/in$/);
    assert.equal(await place.read(), null, 'nobody knows what is there');
  });

  for (const status of [302, 404, 500]) {
    it(`that answers ${status} has not taken it`, async () => {
      using notary = await startNotary(status);
      await assert.rejects(new CheckpointUrl(notary.url()).write('note'), new RegExp(`answered ${status}`));
      assert.equal(notary.requests.length, 1, 'redirects are not followed');
    });
  }

  it('that nobody listens at says so', async () => {
    const place = new CheckpointUrl(new URL('http://127.0.0.1:1/in'));
    await assert.rejects(place.write('note'), /127\.0\.0\.1:1\/in cannot be reached/);
  });
});
