/**
 * The service beside an arbiter that restarts, is not there, is slow, answers garbage, or does not know the service yet:
 * real sockets, a real store, and a clock that stands still until it is turned.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { ASK_TIMEOUT_MS } from '../../src/arbiter/arbiter-client.ts';
import { RECONNECTION_PAUSE_MS } from '../../src/arbiter/root-key-keeper.ts';
import { RING_KEYS_MAX, RING_UNUSED_MS_MAX } from '../../src/keys/ring.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { Box, DESTINATION } from '../support/arbiter/box.ts';
import { answersBytes, answersCode, TestArbiter } from '../support/arbiter/test-arbiter.ts';
import { runMain } from '../support/captured-io.ts';
import { eventLoopTurns } from '../support/event-loop.ts';
import { entriesIn } from '../support/ledger/entries.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';

/** The first wait after an ask that brought no key. */
const FIRST_BACKOFF_MS = 1_000;

describe('in a box where all is well', () => {
  it('the root key is fetched at the start, and tokens of the arbiter pass', async () => {
    await using box = await Box.ready();
    assert.equal(box.arbiter.asks, 1);
    assert.equal((await box.export(box.token())).status, 200);
    const elsewhere = await box.export(box.token('https://b.example/'));
    assert.equal(elsewhere.code, 'caveat_refused');
    assert.match(box.log, /"message":"the arbiter gave a root key"/);
  });

  it('neither health checks nor bad tokens have the key changed', async () => {
    await using box = await Box.ready();
    const token = box.token();
    for (let round = 0; round < 20; round += 1) {
      for (const path of ['/readyz', '/healthz', '/status']) await box.send('GET', path);
      assert.equal((await box.export(tokenFor({ destination: DESTINATION }))).code, 'invalid_token');
      assert.equal((await box.export('garbage')).code, 'malformed_token');
      assert.equal((await box.export('')).code, 'missing_token');
    }
    box.clock.advance(3_600_000);
    assert.equal(box.arbiter.asks, 1);
    assert.equal((await box.export(token)).status, 200);
  });

  it('the log holds no key and no token', async () => {
    await using box = await Box.ready();
    const token = box.token();
    await box.export(token);
    await box.stop();
    const secrets = ['ARBITER_TOKEN', 'ZMQ_PUBLIC_KEY'].map((name) =>
      readFileSync(join(box.arbiter.secretsDir, name), 'utf8'),
    );
    assert.ok(box.log.length > 0);
    for (const secret of [...secrets, token, token.slice(0, 40)]) assert.ok(!box.log.includes(secret));
    assert.doesNotMatch(box.log, /[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-/, 'a UUIDv4 is a key; ids are UUIDv7');
  });

  it('the store holds the keys encrypted', async () => {
    await using box = await Box.open();
    const secret = 'a-secret-that-can-be-found';
    box.arbiter.misbehaviour = answersBytes(
      Buffer.concat([Buffer.from('45000000', 'hex'), Buffer.from(secret)]),
    );
    await box.start();
    await box.untilReady();
    await box.stop();
    const store = readFileSync(join(box.dataDir, 'exports.db'));
    for (const form of [secret, Buffer.from(secret).toString('base64url')]) assert.ok(!store.includes(form));
    box.arbiter.misbehaviour = null;
    await box.start();
    assert.equal((await box.readyz()).status, 200, 'and has it all the same');
  });
});

describe('an arbiter that answers 129 until the box registers us', () => {
  it('the service listens, says why it is not ready, refuses with no_root_key, and goes on by itself', async () => {
    await using box = await Box.open();
    await box.arbiter.restart({ isRegistered: false });
    await box.start();
    await box.asked(1);
    const { status, code, retryAfter } = await box.untilReadyzSays(/"export-service".*129, unauthorized/);
    assert.deepEqual([status, code], [503, 'no_root_key']);
    assert.ok(retryAfter > 0);
    assert.equal((await box.send('GET', '/status')).status, 200);
    const refusal = await box.export(tokenFor({ destination: DESTINATION }));
    assert.deepEqual([refusal.status, refusal.code], [503, 'no_root_key']);
    assert.ok(refusal.retryAfter > 0);
    const waitsMs = [FIRST_BACKOFF_MS, 6_000, 24_000, 24_000];
    for (const [index, waitMs] of waitsMs.entries()) {
      await box.untilLogged(/gave no root key/g, index + 1);
      box.clock.advance(waitMs - 1);
      await eventLoopTurns();
      assert.equal(box.arbiter.asks, index + 1);
      box.clock.advance(1);
      await box.asked(index + 2);
    }
    await box.untilLogged(/gave no root key/g, waitsMs.length + 1);
    box.arbiter.register();
    box.clock.advance(24_000);
    await box.untilReady();
    assert.equal((await box.export(box.token())).status, 200);
    assert.match(box.log, /"reason":"The arbiter does not know/);
  });
});

describe('an arbiter that is not there', () => {
  it('the service is up and says so; when the arbiter comes up, it is asked at once', async () => {
    await using box = await Box.open();
    await box.arbiter.stop();
    await box.start();
    assert.match((await box.readyz()).detail, /The arbiter at tcp:\S+ is being asked\./);
    box.clock.advance(ASK_TIMEOUT_MS);
    await box.untilReadyzSays(/no connection to the arbiter at tcp:.*--arbiter/);
    assert.equal((await box.export(tokenFor({ destination: DESTINATION }))).code, 'no_root_key');
    await box.arbiter.restart();
    // No time passes on the service's clock: the connection alone brings it about.
    await box.untilReady();
    assert.equal((await box.export(box.token())).status, 200);
  });

  it('with keys from an earlier run the service is ready at once, and earlier tokens pass', async () => {
    await using box = await Box.ready();
    const token = box.token();
    await box.stop();
    await box.arbiter.stop();
    await box.start();
    assert.equal((await box.readyz()).status, 200);
    assert.equal((await box.export(token)).status, 200);
  });

  it('a stop does not wait for it', async () => {
    await using box = await Box.open();
    await box.arbiter.stop();
    await box.start();
    await box.stop();
    assert.equal(box.clock.scheduled, 0);
  });
});

describe('an arbiter that is slow', () => {
  it('is given five seconds, then asked again; the answer that comes too late is nobody’s', async () => {
    await using box = await Box.open();
    const answers: (() => void)[] = [];
    box.arbiter.misbehaviour = () =>
      new Promise((resolve) => {
        const secret = `secret-${answers.length + 1}`;
        answers.push(() => resolve(Buffer.concat([Buffer.from('45000000', 'hex'), Buffer.from(secret)])));
      });
    await box.start();
    await box.asked(1);
    assert.match((await box.readyz()).detail, /is being asked/);
    box.clock.advance(ASK_TIMEOUT_MS);
    await box.untilReadyzSays(/did not answer within 5 s/);
    box.clock.advance(FIRST_BACKOFF_MS);
    // The arbiter takes up one request after the other: the second one now.
    answers[0]?.();
    await box.asked(2);
    assert.equal((await box.readyz()).status, 503);
    answers[1]?.();
    await box.untilReady();
    const signedWith = (rootKey: string) => box.export(tokenFor({ destination: DESTINATION, rootKey }));
    assert.equal((await signedWith('secret-2')).status, 200);
    assert.equal((await signedWith('secret-1')).code, 'invalid_token');
  });
});

describe('an arbiter that answers garbage', () => {
  const garbage: [what: string, bytes: string | Buffer, says: RegExp][] = [
    ['no Zest', 'HTTP/1.1 200 OK\r\n\r\n', /cannot be read/],
    ['nothing', '', /cannot be read/],
    ['an empty secret', Buffer.from('45010000000c00020000', 'hex'), /cannot be read/],
    ['an error of its own', Buffer.from('a0000000', 'hex'), /160, internal error/],
    ['a code nobody knows', Buffer.from('46000000', 'hex'), /code 70/],
  ];
  for (const [what, bytes, says] of garbage) {
    it(`${what}: the service says so, and goes on when the arbiter does better`, async () => {
      await using box = await Box.open();
      box.arbiter.misbehaviour = answersBytes(bytes);
      await box.start();
      await box.untilReadyzSays(says);
      box.arbiter.misbehaviour = null;
      box.clock.advance(FIRST_BACKOFF_MS);
      await box.untilReady();
      assert.equal((await box.export(box.token())).status, 200);
    });
  }

  it('a service that has keys keeps them, and stays ready', async () => {
    await using box = await Box.ready();
    const token = box.token();
    box.arbiter.misbehaviour = answersBytes('garbage');
    await box.stop();
    await box.start();
    await box.asked(2);
    assert.equal((await box.readyz()).status, 200);
    assert.equal((await box.export(token)).status, 200);
  });
});

describe('an arbiter that was restarted', () => {
  it('is asked at once; tokens from before and from after pass', async () => {
    await using box = await Box.ready();
    const before = box.token();
    await box.arbiter.restart();
    assert.equal(box.arbiter.tokenFor(DESTINATION), null, 'it has forgotten our key');
    const after = await box.untilMinted();
    assert.equal(box.arbiter.asks, 2);
    assert.notEqual(after, before);
    for (const token of [before, after]) assert.equal((await box.export(token)).status, 200);
  });

  it('once more within the minute, it is asked when the minute is over', async () => {
    await using box = await Box.ready();
    await box.arbiter.restart();
    await box.untilMinted();
    await box.arbiter.restart();
    await box.arbiter.connected(1);
    box.clock.advance(RECONNECTION_PAUSE_MS - 1);
    await eventLoopTurns();
    assert.equal(box.arbiter.asks, 2);
    box.clock.advance(1);
    await box.asked(3);
    await box.untilMinted();
  });

  it('without our registration, it is asked until the box has registered us again', async () => {
    await using box = await Box.ready();
    const before = box.token();
    await box.arbiter.restart({ isRegistered: false });
    await box.asked(2);
    assert.equal((await box.readyz()).status, 200, 'an old key is good enough');
    assert.equal((await box.export(before)).status, 200);
    box.arbiter.register();
    await box.untilLogged(/gave no root key/g, 1);
    box.clock.advance(FIRST_BACKOFF_MS);
    await box.untilMinted();
  });
});

describe('a service that was restarted', () => {
  it('asks again, and tokens from before pass', async () => {
    await using box = await Box.ready();
    const tokens = [box.token()];
    for (let restart = 0; restart < 3; restart += 1) {
      await box.stop();
      await box.start();
      await box.untilLogged(/gave a root key/g, restart + 2);
      assert.equal(box.arbiter.asks, restart + 2);
      tokens.push(box.token());
      for (const token of tokens) assert.equal((await box.export(token)).status, 200);
    }
    assert.equal(new Set(tokens).size, 4);
  });

  it('sixteen keys later a token that is in use still passes, and one that is not has ended', async () => {
    await using box = await Box.ready();
    const used = box.token();
    let unused = '';
    for (let keys = 2; keys <= RING_KEYS_MAX + 1; keys += 1) {
      box.clock.advance(1_000);
      await box.stop();
      await box.start();
      await box.untilLogged(/gave a root key/g, keys);
      if (keys === 2) unused = box.token('https://unused.example/');
      assert.equal((await box.export(used)).status, 200, `with ${keys} keys so far`);
    }
    assert.equal((await box.export(unused, 'https://unused.example/')).code, 'invalid_token');
    assert.equal((await box.export(box.token())).status, 200);
  });

  it('after 30 days a key that nobody used has ended, and the newest has not', async () => {
    await using box = await Box.ready();
    const old = box.token();
    await box.stop();
    await box.start();
    await box.untilLogged(/gave a root key/g, 2);
    const newest = box.token();
    box.clock.advance(RING_UNUSED_MS_MAX);
    await eventLoopTurns();
    assert.equal((await box.readyz()).status, 200);
    assert.equal((await box.export(old)).code, 'invalid_token');
    assert.equal((await box.export(newest)).status, 200);
  });

  it('that cannot listen asks for nothing: whoever has the port keeps its key', async () => {
    await using box = await Box.open();
    await using taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as { port: number };
    await assert.rejects(box.start(box.arbiter.flags, port), /another program listens/);
    await eventLoopTurns();
    assert.equal(box.arbiter.asks, 0);
  });
});

describe('the secrets of the box', () => {
  it('that are missing or no good end the start with a line that names them, before the store is made', async () => {
    await using box = await Box.open();
    const { secretsDir } = box.arbiter;
    writeFileSync(join(secretsDir, 'ARBITER_TOKEN'), 'token\n');
    await assert.rejects(box.start(), /^UsageError: --secrets-dir: .*ARBITER_TOKEN ends in a line break/);
    rmSync(join(secretsDir, 'ARBITER_TOKEN'));
    await assert.rejects(box.start(), /--secrets-dir: .*ARBITER_TOKEN cannot be read/);
    assert.equal(existsSync(join(box.dataDir, 'exports.db')), false);
    assert.equal(box.arbiter.asks, 0);
  });

  it('are not needed where the root key was given: then no arbiter is asked', async () => {
    await using box = await Box.open();
    const flags = ['--arbiter', box.arbiter.endpoint, '--secrets-dir', '/nowhere', '--secret', 'given'];
    await box.start(flags);
    assert.equal((await box.readyz()).status, 200);
    assert.equal((await box.export(tokenFor({ destination: DESTINATION, rootKey: 'given' }))).status, 200);
    box.clock.advance(3_600_000);
    assert.equal(box.arbiter.asks, 0);
  });
});

describe('token mint and token inspect beside the service', () => {
  const mintedIn = async (box: Box, flags: readonly string[] = []) => {
    const args = ['--data-dir', box.dataDir, '--destination', DESTINATION, '--path', '/lp/export', ...flags];
    const { stdout, stderr } = await runMain(['token', 'mint', ...args]);
    assert.equal(stderr, '');
    return stdout.trim();
  };

  it('use the newest key that the arbiter gave, and know the older ones', async () => {
    await using box = await Box.ready();
    const older = box.token();
    await box.arbiter.restart();
    await box.untilMinted();
    for (const flags of [[], box.arbiter.flags.slice(0, 2)]) {
      assert.equal((await box.export(await mintedIn(box, flags))).status, 200);
    }
    const { stdout } = await runMain(['token', 'inspect', older, '--data-dir', box.dataDir]);
    assert.match(stdout, /^valid: yes$/m);
  });

  it('of a service that stood alone before, --arbiter says which key is meant', async () => {
    await using box = await Box.open();
    await box.start([]);
    const alone = await mintedIn(box);
    assert.equal((await box.export(alone)).status, 200);
    await box.stop();
    await box.start();
    await box.untilReady();
    assert.equal((await box.export(alone)).code, 'invalid_token', 'the arbiter decides now');
    const flags = box.arbiter.flags.slice(0, 2);
    assert.equal((await box.export(await mintedIn(box, flags))).status, 200);
    assert.equal((await box.export(await mintedIn(box))).code, 'invalid_token');
  });
});

describe('a new root key for the owner', () => {
  const path = '/owner/root-key/refresh';

  /** An owner's token; signed by the arbiter's grant, as the box's own page would get it. */
  function ownerToken(box: Box): string {
    return box.arbiter.tokenWith({ method: 'POST', path }) ?? assert.fail('the arbiter mints no token');
  }

  it('is asked for, and tokens in the field pass on', async () => {
    await using box = await Box.ready();
    const token = box.token();
    const { status, json } = await box.send('POST', path, ownerToken(box));
    assert.deepEqual([status, json], [200, { keys: 2, dropped: 0 }]);
    assert.equal(box.arbiter.asks, 2);
    for (const one of [token, box.token()]) assert.equal((await box.export(one)).status, 200);
  });

  it('with drop_old ends every token in the field, for good', async () => {
    await using box = await Box.ready();
    const token = box.token();
    const { json } = await box.send('POST', path, ownerToken(box), { drop_old: true });
    assert.deepEqual(json, { keys: 1, dropped: 1 });
    assert.equal((await box.export(token)).code, 'invalid_token');
    await box.stop();
    await box.start();
    await box.untilReady();
    assert.equal((await box.export(token)).code, 'invalid_token');
    assert.equal((await box.export(await box.untilMinted())).status, 200);
  });

  it('which the arbiter does not give changes nothing, and the answer says why', async () => {
    await using box = await Box.ready();
    const [token, owner] = [box.token(), ownerToken(box)];
    box.arbiter.misbehaviour = answersCode(160);
    const refusal = await box.send('POST', path, owner, { drop_old: true });
    assert.deepEqual([refusal.status, refusal.code], [503, 'no_root_key']);
    assert.match(refusal.detail, /those that were good still are.*160, internal error/);
    assert.ok(refusal.retryAfter > 0);
    assert.equal((await box.export(token)).status, 200);
  });

  it('is not there for apps, nor where there is no arbiter', async () => {
    await using box = await Box.ready();
    assert.equal((await box.send('POST', path, box.token())).code, 'caveat_refused');
    assert.equal((await box.send('POST', path)).code, 'missing_token');
    assert.equal(box.arbiter.asks, 1);
    await box.stop();
    await box.start(['--secret', 'given']);
    const caveats = ['target = export-service', 'method = *', 'path = /owner/*'];
    const token = encode(mint({ rootKey: Buffer.from('given'), identifier: '', caveats }), 'v1');
    const refusal = await box.send('POST', path, token);
    assert.equal(refusal.code, 'not_found');
    assert.match(refusal.detail, /no arbiter.*--arbiter/);
  });
});

describe('the ledger', () => {
  /** What it says of root keys from its entry number `from` on; and how many entries it has. */
  function rootKeysIn(box: Box, from = 0): { changes: [string, string | null][]; size: number } {
    const entries = entriesIn(join(box.dataDir, 'exports.db'));
    const changes = entries
      .slice(from)
      .flatMap((entry): [string, string | null][] =>
        entry.kind === 'key' && entry.purpose === 'root' ? [[entry.change, entry.by]] : [],
      );
    return { changes, size: entries.length };
  }

  it('has every key that came, whoever asked for it, and those that went', async () => {
    await using box = await Box.ready();
    const first = rootKeysIn(box);
    assert.deepEqual(first.changes, [['fetched', null]]);
    const owner = box.arbiter.tokenWith({ method: 'POST', path: '/owner/root-key/refresh' }) ?? '';
    await box.send('POST', '/owner/root-key/refresh', owner);
    await box.send('POST', '/owner/root-key/refresh', owner, { drop_old: true });
    const second = rootKeysIn(box, first.size);
    assert.deepEqual(
      second.changes.map(([change]) => change),
      ['fetched', 'dropped', 'fetched'],
    );
    await box.stop();
    await box.start();
    await box.untilLogged(/"message":"the arbiter gave a root key"/g, 4);
    assert.deepEqual(rootKeysIn(box, second.size).changes, [['fetched', null]]);
  });

  it('has each start that checks tokens with other keys than the one before', async () => {
    await using box = await Box.ready();
    let { size } = rootKeysIn(box);
    const startedWith = async (flags?: readonly string[]): Promise<string[]> => {
      await box.stop();
      await box.start(flags);
      const { changes, size: newSize } = rootKeysIn(box, size);
      size = newSize;
      return changes.map(([change]) => change);
    };
    assert.deepEqual(await startedWith(['--secret', 'one']), ['retired', 'given']);
    assert.deepEqual(await startedWith(['--secret', 'one']), []);
    assert.deepEqual(await startedWith(['--secret', 'two']), ['retired', 'given']);
    assert.deepEqual(await startedWith([]), ['retired', 'made']);
    assert.deepEqual(await startedWith([]), []);
    // Nobody has asked the arbiter yet: the clock stands still.
    assert.deepEqual(await startedWith(), ['retired', 'resumed']);
  });
});

describe('the service as a process of its own', () => {
  it('is killed and starts again: tokens from before pass at once, though the arbiter is gone', async () => {
    await using arbiter = await TestArbiter.start();
    await using service = await ServiceProcess.startKeyless(arbiter.flags);
    const destination = 'https://receiver.example/in';
    await service.logged(/the arbiter gave a root key/);
    const token = arbiter.tokenFor(destination) ?? assert.fail('no token');
    const poll = async () => {
      const response = await request(`${service.url}/lp/export`, {
        method: 'POST',
        headers: { 'x-api-key': token },
        body: JSON.stringify({ id: '01990000-0000-7000-8000-000000000000', uri: destination, data: '{}' }),
      });
      return ((await response.body.json()) as { code: string }).code;
    };
    assert.equal(await poll(), 'unknown_export');
    await service.end('SIGKILL');
    await arbiter.stop();
    await service.start();
    assert.equal(await poll(), 'unknown_export');
    assert.equal(await service.end('SIGTERM'), 0);
  });

  it('loads ZeroMQ with an arbiter only', { skip: !existsSync('/proc/self/maps') }, async () => {
    const hasZeroMq = ({ pid }: ServiceProcess) => /zeromq/.test(readFileSync(`/proc/${pid}/maps`, 'utf8'));
    await using arbiter = await TestArbiter.start();
    await using without = await ServiceProcess.start(['--secrets-dir', '/nowhere']);
    assert.equal(hasZeroMq(without), false);
    await using beside = await ServiceProcess.startKeyless(arbiter.flags);
    assert.equal(hasZeroMq(beside), true);
  });
});
