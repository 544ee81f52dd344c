import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ArbiterServer, makeCurveKeys } from '../cli/demo/arbiter-server.ts';
import { ArbiterClient } from '../src/arbiter/arbiter-client.ts';
import { readCredentials } from '../src/arbiter/credentials.ts';
import { encodeAnswer, ZEST_CODES } from '../src/arbiter/zest.ts';
import { TestArbiter } from '../test/support/arbiter/test-arbiter.ts';
import { ManualClock } from '../test/support/manual-clock.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';
import { type ArbiterTokenError, arbiterToken } from './index.ts';

const destination = 'https://lab.example/in';
const identity = 'sleep-app';

async function errorOf(asked: Promise<string>): Promise<ArbiterTokenError> {
  return await asked.then(
    () => assert.fail('there is a token'),
    (error) => error,
  );
}

describe('arbiterToken', () => {
  it('says why the arbiter mints none, and asks again the next time', async () => {
    await using arbiter = await TestArbiter.start();
    using secrets = new TemporaryDirectory();
    arbiter.admit(identity, destination, secrets.path);
    const secretsDir = secrets.path;
    const { endpoint } = arbiter;
    const token = arbiterToken({ destination, endpoint, identity, secretsDir });
    const early = await errorOf(token());
    assert.equal(early.code, 'refused');
    assert.match(
      early.message,
      /"sleep-app" to https:\/\/lab\.example\/in .*129.*has not asked it for a key/,
    );
    // The service asks for its key, from then on there are tokens.
    const credentials = readCredentials(arbiter.secretsDir);
    const parts = { endpoint, identity: 'export-service', credentials, clock: new ManualClock() };
    const service = await ArbiterClient.load({
      ...parts,
      resolve: () => assert.fail('an address is no name'),
    });
    await service.fetchSecret(AbortSignal.timeout(60_000));
    assert.match(await token(), /^[\w=-]+$/);
    const strange = await errorOf(arbiterToken({ destination, endpoint, identity: 'other', secretsDir })());
    assert.equal(strange.code, 'refused');
  });

  it('names a secret that is not there', async () => {
    using secrets = new TemporaryDirectory();
    const error = await errorOf(arbiterToken({ destination, identity, secretsDir: secrets.path })());
    assert.match(error.message, /ARBITER_TOKEN cannot be read \(ENOENT\)/);
  });

  it('tells an arbiter that does not answer from something that is none', async () => {
    const keys = makeCurveKeys();
    using secrets = new TemporaryDirectory();
    writeFileSync(secrets.file('ARBITER_TOKEN'), 'token');
    writeFileSync(secrets.file('ZMQ_PUBLIC_KEY'), keys.publicKey);
    const clock = new ManualClock();
    const gate = Promise.withResolvers<void>();
    let answer: (frame: Uint8Array) => Uint8Array | Promise<Uint8Array> = () => Buffer.from('no Zest');
    await using server = await ArbiterServer.start({ keys, answer: (frame) => answer(frame) });
    const { endpoint } = server;
    const token = arbiterToken({ destination, endpoint, identity, secretsDir: secrets.path }, clock);
    assert.equal((await errorOf(token())).code, 'unreadable');

    const asked = Promise.withResolvers<void>();
    answer = async () => {
      asked.resolve();
      await gate.promise;
      return Buffer.from('late');
    };
    const unanswered = errorOf(token());
    await asked.promise;
    clock.advance(5_000);
    assert.equal((await unanswered).code, 'unreachable');
    gate.resolve();
  });

  it('takes no answer for a token that could not be sent', async () => {
    const keys = makeCurveKeys();
    using secrets = new TemporaryDirectory();
    writeFileSync(secrets.file('ARBITER_TOKEN'), 'token');
    writeFileSync(secrets.file('ZMQ_PUBLIC_KEY'), keys.publicKey);
    const payload = Buffer.from('two\r\nlines');
    const frame = encodeAnswer({ code: ZEST_CODES.content, contentFormat: 0, payload });
    await using server = await ArbiterServer.start({ keys, answer: () => frame });
    const { endpoint } = server;
    const error = await errorOf(
      arbiterToken({ destination, endpoint, identity, secretsDir: secrets.path })(),
    );
    assert.equal(error.code, 'unreadable');
  });
});
