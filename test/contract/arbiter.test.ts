/**
 * The arbiter as the service meets it (contract, section 3): what is kept of how the original asked it is a test, and what
 * is not is a test of the difference, whose name begins with "differs". docs/databox.md has the same as a table.
 *
 * Method: the arbiter of the tests over real CURVE sockets, and the whole service beside it with a clock that stands
 * still.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ASK_TIMEOUT_MS } from '../../src/arbiter/arbiter-client.ts';
import { encodeAnswer, ZEST_CODES } from '../../src/arbiter/zest.ts';
import { Box, type BoxAnswer, DESTINATION } from '../support/arbiter/box.ts';
import { answersCode, type Misbehaviour } from '../support/arbiter/test-arbiter.ts';
import { runMain } from '../support/captured-io.ts';
import { eventLoopTurns } from '../support/event-loop.ts';
import { tokenFor } from '../support/service.ts';
import { until } from '../support/until.ts';

/** Gives a secret of ours when the test lets it; tells what it was asked. */
class HeldArbiter {
  readonly frames: string[] = [];
  readonly #gate = Promise.withResolvers<void>();

  readonly answer: Misbehaviour = async (frame) => {
    this.frames.push(Buffer.from(frame).toString('hex'));
    await this.#gate.promise;
    const payload = Buffer.from(`secret-${this.frames.length}`);
    return encodeAnswer({ code: ZEST_CODES.content, contentFormat: 0, payload });
  };

  open(): void {
    this.#gate.resolve();
  }
}

/** `root-key refresh` beside the service; its token is dated by the real clock. */
function refresh(box: Box, ...args: string[]) {
  box.clock.jump(Date.now() - box.clock.now());
  return runMain(['root-key', 'refresh', '--url', box.url, '--data-dir', box.dataDir, ...args]);
}

describe('3 how the secret is asked for', () => {
  it('GET /store/secret has the bytes of the worked example: token verbatim, path, identity, format 50', async () => {
    await using box = await Box.open();
    const arbiter = new HeldArbiter();
    arbiter.open();
    box.arbiter.misbehaviour = arbiter.answer;
    await box.start();
    await box.untilReady();
    const token = readFileSync(join(box.arbiter.secretsDir, 'ARBITER_TOKEN'));
    assert.deepEqual(arbiter.frames, [
      [
        `0103002c${token.toString('hex')}`,
        '000b000d2f73746f72652f736563726574',
        '0003000e6578706f72742d73657276696365',
        '000c00020032',
      ].join(''),
    ]);
  });

  it('the answer is the key as it is, as text', async () => {
    await using box = await Box.open();
    const arbiter = new HeldArbiter();
    arbiter.open();
    box.arbiter.misbehaviour = arbiter.answer;
    await box.start();
    await box.untilReady();
    const token = tokenFor({ destination: DESTINATION, rootKey: 'secret-1' });
    assert.equal((await box.export(token)).status, 200);
  });

  it('differs: no request asks for it, with a token or without; the original asked in every one', async () => {
    await using box = await Box.open();
    box.arbiter.misbehaviour = answersCode(129);
    await box.start();
    await box.untilLogged(/gave no root key/g, 1);
    for (const token of [tokenFor({ destination: DESTINATION }), '', 'garbage']) {
      assert.equal((await box.export(token)).code, 'no_root_key');
    }
    await eventLoopTurns();
    assert.equal(box.arbiter.asks, 1);
  });

  it('differs: asked for ever, with longer and longer waits, and not five times', async () => {
    await using box = await Box.open();
    box.arbiter.misbehaviour = answersCode(129);
    await box.start();
    const waitsMs = [1_000, 6_000, 24_000, 24_000, 24_000, 24_000];
    for (const [index, waitMs] of waitsMs.entries()) {
      await box.untilLogged(/gave no root key/g, index + 1);
      assert.equal(box.arbiter.asks, index + 1);
      if (index + 1 === waitsMs.length) box.arbiter.misbehaviour = null;
      box.clock.advance(waitMs);
    }
    await box.untilReady();
  });

  it('differs: an ask has five seconds; the original waited for ever for an arbiter that is not there', async () => {
    await using box = await Box.open();
    await box.arbiter.stop();
    await box.start();
    await eventLoopTurns();
    box.clock.advance(ASK_TIMEOUT_MS - 1);
    assert.match((await box.readyz()).detail, /is being asked/);
    box.clock.advance(1);
    await box.untilReadyzSays(/no connection to the arbiter at \S+ within 5 s/);
  });

  it('differs: one ask at a time: those who want a key meanwhile get that one', async () => {
    await using box = await Box.ready();
    const arbiter = new HeldArbiter();
    box.arbiter.misbehaviour = arbiter.answer;
    const both = [refresh(box, '--json'), refresh(box, '--json')];
    await box.asked(2);
    await eventLoopTurns();
    arbiter.open();
    for (const { stdout } of await Promise.all(both))
      assert.deepEqual(JSON.parse(stdout), { keys: 2, dropped: 0 });
    assert.equal(arbiter.frames.length, 1);
  });

  it('differs: /readyz and the log say why there is none; the original said that it cannot get it', async () => {
    await using box = await Box.open();
    box.arbiter.misbehaviour = answersCode(160);
    await box.start();
    await box.untilReadyzSays(/160, internal error.*its log says why/i);
    assert.match(box.log, /160, internal error/);
  });

  it('differs: neither the secret nor what we prove ourselves with is in the log', async () => {
    await using box = await Box.open();
    const arbiter = new HeldArbiter();
    arbiter.open();
    box.arbiter.misbehaviour = arbiter.answer;
    await box.start();
    await box.untilLogged(/gave a root key/g, 1);
    const token = readFileSync(join(box.arbiter.secretsDir, 'ARBITER_TOKEN'), 'utf8');
    for (const secret of ['secret-1', token]) assert.ok(!box.log.includes(secret));
  });
});

describe('3 each ask makes a new secret', () => {
  it('differs: tokens under earlier ones still pass: the last keys are kept', async () => {
    await using box = await Box.ready();
    const tokens = [box.token()];
    for (let asks = 2; asks <= 4; asks += 1) {
      assert.equal((await refresh(box)).code, 0);
      tokens.push(box.token());
      for (const token of tokens) assert.equal((await box.export(token)).status, 200);
    }
    assert.equal(new Set(tokens).size, 4);
  });

  it('differs: an arbiter that restarted is asked once its connection is back; the original never asked again', async () => {
    await using box = await Box.ready();
    await box.arbiter.restart();
    assert.equal(box.arbiter.tokenFor(DESTINATION), null);
    const token = await box.untilMinted();
    assert.equal(box.arbiter.asks, 2);
    assert.equal((await box.export(token)).status, 200);
  });

  it('neither a health check nor a bad token asks, as in the original once it had one', async () => {
    await using box = await Box.ready();
    for (const path of ['/readyz', '/healthz', '/status']) await box.send('GET', path);
    assert.equal((await box.export(tokenFor({ destination: DESTINATION }))).code, 'invalid_token');
    await eventLoopTurns();
    assert.equal(box.arbiter.asks, 1);
  });

  it('differs: a box that registers the service anew has no tokens for it, until `root-key refresh` asks', async () => {
    await using box = await Box.ready();
    const before = box.token();
    box.arbiter.register();
    assert.equal(box.arbiter.tokenFor(DESTINATION), null, 'registering forgets the secret');
    box.clock.advance(3_600_000);
    await eventLoopTurns();
    assert.equal(box.arbiter.asks, 1, 'the service is not told');

    const { code, stdout } = await refresh(box);

    assert.deepEqual([code, stdout], [0, 'The arbiter gave a new root key: 2 root keys are good now.\n']);
    for (const token of [before, box.token()]) assert.equal((await box.export(token)).status, 200);
  });
});

describe('2 the time of a token', () => {
  it('it has none of its own: years later it passes, while its key is there', async () => {
    await using box = await Box.ready();
    const token = box.token();
    assert.equal((await box.export(token)).status, 200);
    const years = 10 * 365 * 24 * 3_600_000;
    box.clock.jump(years);
    box.clock.advance(years);
    await eventLoopTurns();
    assert.equal((await box.export(token)).status, 200);
  });

  it('differs: a key that verified no token for 30 days of running goes, unless it is the newest', async () => {
    await using box = await Box.ready();
    const old = box.token();
    await refresh(box);
    box.clock.advance(30 * 24 * 3_600_000);
    await eventLoopTurns();
    await box.readyz();
    assert.equal((await box.export(old)).code, 'invalid_token');
    assert.equal((await box.export(box.token())).status, 200);
  });
});

describe('1.4 the end of a request that waits', () => {
  it('differs: what has not ended by --age-max ends as expired, and is there for --keep-results', async () => {
    await using box = await Box.ready();
    const token = box.token();
    // The first is under way for as long as the box runs; the second waits behind it.
    await box.export(token);
    const { id } = (await box.export(token)).json;
    const poll = () => box.send('POST', '/lp/export?timeout=0', token, { id });
    const later = async (days: number, isSo: (answer: BoxAnswer) => boolean) => {
      assert.ok(!isSo(await poll()), 'not before');
      box.clock.advance(days * 24 * 3_600_000);
      // What looks for it does so once a minute.
      await until(async () => {
        box.clock.advance(60_000);
        return isSo(await poll());
      });
    };
    await later(3, ({ json }) => json.state === 'Finished');
    assert.match(JSON.stringify((await poll()).json.ext_response), /504 Gateway Timeout.*"code":"expired"/);
    await later(7, ({ code }) => code === 'unknown_export');
  });
});
