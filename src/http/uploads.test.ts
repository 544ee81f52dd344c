import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { DESTINATION, HttpFixture, tokenWith } from '../../test/support/http/http-fixture.ts';
import { until } from '../../test/support/until.ts';
import { Uploads } from './uploads.ts';

const LIMITS = { bodyBytesMax: 100, uploadsBytesMax: 250 };

/** A body on its way, and what became of it. */
class Body {
  readonly stream: IncomingMessage;
  readonly outcome: Promise<string>;

  constructor(uploads: Uploads, headers: Record<string, string> = {}) {
    this.stream = Object.assign(new PassThrough(), { headers }) as unknown as IncomingMessage;
    this.outcome = uploads.read(this.stream).then(
      (bytes) => `${bytes.length} bytes`,
      (error) => String(error.code),
    );
  }

  async send(bytes: number): Promise<void> {
    (this.stream as unknown as PassThrough).write(Buffer.alloc(bytes, 'x'));
    await new Promise(setImmediate);
  }

  end(): Promise<string> {
    (this.stream as unknown as PassThrough).end();
    return this.outcome;
  }
}

describe('a body', () => {
  it('is read to its end, however it is cut, and counts until it is released', async () => {
    const uploads = new Uploads(LIMITS);
    const body = new Body(uploads);
    for (const bytes of [1, 59, 40]) await body.send(bytes);
    assert.equal(uploads.bytesHeld, 100);
    assert.equal(await body.end(), '100 bytes');
    assert.equal(uploads.bytesHeld, 100);
    uploads.release(body.stream);
    uploads.release(body.stream);
    assert.equal(uploads.bytesHeld, 0);
    assert.equal(await new Body(uploads).end(), '0 bytes');
  });

  it('of one byte more than the limit is refused, announced or not, and holds nothing', async () => {
    const uploads = new Uploads(LIMITS);
    const body = new Body(uploads);
    await body.send(101);
    assert.equal(await body.outcome, 'payload_too_large');
    assert.equal(await new Body(uploads, { 'content-length': '101' }).outcome, 'payload_too_large');
    assert.equal(uploads.bytesHeld, 0);
  });

  it('that breaks off is refused, and holds nothing', async () => {
    const uploads = new Uploads(LIMITS);
    for (const error of [undefined, Object.assign(new Error('aborted'), { code: 'ECONNRESET' })]) {
      const body = new Body(uploads);
      await body.send(50);
      body.stream.destroy(error);
      assert.equal(await body.outcome, 'invalid_request');
      assert.equal(uploads.bytesHeld, 0);
    }
  });
});

describe('what a connection keeps', () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;

  for (const [what, bytes, outcome] of [
    ['arrived', 100, '100 bytes'],
    ['was refused', 101, 'payload_too_large'],
  ] as const) {
    it(`is nothing of a body that ${what}: it may stay open for minutes`, async () => {
      const request = Object.assign(new EventEmitter(), { headers: {} }) as unknown as IncomingMessage;
      const reading = new Uploads(LIMITS).read(request).then(
        (body) => `${body.length} bytes`,
        (error) => String(error.code),
      );
      const chunk = new WeakRef(emitted(request, bytes));
      request.emit('end');
      assert.equal(await reading, outcome);
      await until(() => {
        collectGarbage();
        return chunk.deref() === undefined;
      });
      assert.ok(request.listenerCount('close') > 0, 'the connection is still there');
    });
  }

  it('is none of the pieces in which a body comes: a million of them would take hundreds of times what they hold', async () => {
    const request = Object.assign(new EventEmitter(), { headers: {} }) as unknown as IncomingMessage;
    const reading = new Uploads(LIMITS).read(request);
    const pieces = Array.from({ length: 50 }, () => new WeakRef(emitted(request, 1)));
    await until(() => {
      collectGarbage();
      return pieces.every((piece) => piece.deref() === undefined);
    });
    request.emit('end');
    assert.equal((await reading).length, 50);
  });

  /** A function of its own, so that no variable keeps what it emits. */
  function emitted(request: IncomingMessage, bytes: number): Buffer {
    const chunk = Buffer.alloc(bytes);
    request.emit('data', chunk);
    return chunk;
  }
});

describe('bodies that are too much together', () => {
  it('are refused, the largest that has not arrived first, and only as many as need be', async () => {
    const uploads = new Uploads(LIMITS);
    const [small, medium, large, larger] = [
      new Body(uploads),
      new Body(uploads),
      new Body(uploads),
      new Body(uploads),
    ];
    await medium.send(60);
    await large.send(90);
    await larger.send(95);
    assert.equal(uploads.bytesHeld, 245);
    await small.send(5);
    assert.equal(uploads.bytesHeld, 250, 'to the edge');
    await small.send(1);
    assert.equal(await larger.outcome, 'rate_limited');
    assert.equal(uploads.bytesHeld, 60 + 90 + 10, 'what is grown into counts');
    assert.deepEqual(await Promise.all([small.end(), large.end()]), ['6 bytes', '90 bytes']);
  });

  it('leave those alone that have arrived', async () => {
    const uploads = new Uploads(LIMITS);
    const arrived = [new Body(uploads), new Body(uploads)];
    for (const body of arrived) {
      await body.send(100);
      assert.equal(await body.end(), '100 bytes');
    }
    const late = new Body(uploads);
    await late.send(51);
    assert.equal(await late.outcome, 'rate_limited');
    assert.equal(uploads.bytesHeld, 200);
    uploads.release(arrived[0]?.stream as IncomingMessage);
    const next = new Body(uploads);
    await next.send(100);
    assert.equal(await next.end(), '100 bytes');
  });
});

describe('over HTTP', () => {
  const token = tokenWith();
  const head = (length: number, more = '') =>
    `POST /export HTTP/1.1\r\nhost: x\r\nx-api-key: ${token}\r\n${more}content-length: ${length}\r\n\r\n`;
  const export_ = (bytes: number): string => {
    const body = JSON.stringify({ uri: DESTINATION, data: [''] });
    return body.replace('""', `"${'x'.repeat(bytes - body.length)}"`);
  };
  const start = () =>
    HttpFixture.start({
      settings: { bodyBytesMax: 1_000 },
      serverLimits: { uploadsBytesMax: 4_000 },
      limits: { pendingMax: 1_000, waitingMax: 1_000 },
    });

  it('whoever holds the most hears 429 and when to come again, and the others are taken in', async () => {
    await using fixture = await start();
    const slow = await Promise.all(
      Array.from({ length: 5 }, async (_, n) => {
        const socket = await fixture.connect();
        socket.write(head(1_000) + export_(1_000).slice(0, 700 + n));
        return socket;
      }),
    );
    await until(() => fixture.server.uploadedBytes === 3_510);
    assert.equal((await fixture.send({ body: export_(600) })).status, 200);
    const answer = String(await new Promise((resolve) => slow[4]?.once('data', resolve)));
    assert.match(answer, /^HTTP\/1\.1 429 /);
    assert.match(answer, /\r\nretry-after: 5\r\n/);
    assert.match(answer, /"code":"rate_limited"/);
    slow[0]?.write(export_(1_000).slice(700));
    const taken = String(await new Promise((resolve) => slow[0]?.once('data', resolve)));
    assert.match(taken, /^HTTP\/1\.1 200 /);
    for (const socket of slow) socket.destroy();
    await until(() => fixture.server.uploadedBytes === 0);
    assert.equal(fixture.store.inserted.length, 2);
  });

  it('what waits for its end holds nothing of its body', async () => {
    await using fixture = await start();
    const waiting = Array.from({ length: 20 }, () =>
      fixture.send({ body: export_(1_000), headers: { prefer: 'wait=10' } }),
    );
    await fixture.untilWaiting(20);
    assert.equal(fixture.server.uploadedBytes, 0);
    assert.ok(fixture.store.inserted.every(({ data }) => data.length > 900));
    fixture.clock.advance(10_000);
    for (const answer of await Promise.all(waiting)) assert.equal(answer.json.state, 'Pending');
  });
});
