/**
 * What a Databox gives the export service (contract, section 4): one variable, and files in /run/secrets. Each line that
 * is kept is a test, and each that is not is a test of the difference, whose name begins with "differs".
 *
 * Method: the whole service in this process, with the environment of a box and the arbiter of the tests, over HTTPS.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { describe, it } from 'node:test';
import { type App, createApp } from '../../src/app.ts';
import { type Env, parseConfig } from '../../src/config.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { TestArbiter } from '../support/arbiter/test-arbiter.ts';
import { askBox, BOX_PEM, BoxSecrets, untilReady } from '../support/box-secrets.ts';
import { tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const DESTINATION = 'https://receiver.example/in';
const UNKNOWN_ID = '018f0000-0000-7000-8000-000000000000';

/** A box: its arbiter, which knows the service, and all that it mounts for it. */
class EnvironmentOfABox implements AsyncDisposable {
  readonly arbiter: TestArbiter;
  readonly secrets: BoxSecrets;
  readonly #directory = new TemporaryDirectory();
  #app: App | null = null;

  private constructor(arbiter: TestArbiter) {
    this.arbiter = arbiter;
    this.secrets = new BoxSecrets(this.#directory.file('secrets'));
    this.secrets.writeAll(arbiter);
  }

  static async open(): Promise<EnvironmentOfABox> {
    return new EnvironmentOfABox(await TestArbiter.start());
  }

  /** Where it listens. */
  get url(): string {
    return this.#app?.url ?? '';
  }

  folder(name: string): string {
    return this.#directory.file(name);
  }

  /** Starts the service, anew if it runs: with the one variable that a box sets, and where a test must differ from one. */
  async start(env: Env = {}, flags: readonly string[] = []): Promise<void> {
    await this.#stop();
    const given = {
      DATABOX_ARBITER_ENDPOINT: this.arbiter.endpoint,
      EXPORT_DATA_DIR: this.folder('volume'),
      ...env,
    };
    const where = ['--port', '0', '--secrets-dir', this.secrets.path, '--drain-max', '0s'];
    const config = parseConfig([...where, ...flags], given);
    this.#app = await createApp(config, createLog('silent', { write: () => {} }));
  }

  /** What the service says to a poll with this token: `unknown_export` when the token is good. */
  async judge(token: string): Promise<string | undefined> {
    return (await askBox(`${this.url}/lp/export`, token, { id: UNKNOWN_ID })).json.code;
  }

  async #stop(): Promise<void> {
    await this.#app?.[Symbol.asyncDispose]();
    this.#app = null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop();
    await this.arbiter[Symbol.asyncDispose]();
    this.#directory[Symbol.dispose]();
  }
}

/** A box whose service has its key. */
async function readyBox(env: Env = {}, flags: readonly string[] = []): Promise<EnvironmentOfABox> {
  const box = await EnvironmentOfABox.open();
  await box.start(env, flags);
  await untilReady(box.url);
  return box;
}

describe('4 the environment', () => {
  it('differs: DATABOX_ARBITER_ENDPOINT is where the arbiter is; the original had its address built in', async () => {
    await using box = await readyBox();
    assert.equal(box.arbiter.asks, 1);
    assert.equal(await box.judge(box.arbiter.tokenFor(DESTINATION) ?? ''), 'unknown_export');
  });

  it('nothing else is needed: without DATABOX_LOCAL_NAME it is export-service, whatever the host is called', async () => {
    // The arbiter knows nobody but export-service, and answers 129 to anybody else.
    await using box = await readyBox({ HOSTNAME: 'a0b1c2d3e4f5' });
    assert.notEqual(hostname(), 'export-service');
    assert.equal(await box.judge(tokenFor({ destination: DESTINATION })), 'invalid_token');
    const token = box.arbiter.tokenFor(DESTINATION) ?? '';
    assert.match(Buffer.from(token, 'base64url').toString('latin1'), /target = export-service\n/);
    assert.equal(await box.judge(token), 'unknown_export');
  });

  it('without DATABOX_LOCAL_PORT it is port 8080', () => {
    assert.equal(parseConfig([], { DATABOX_ARBITER_ENDPOINT: 'tcp://arbiter:4444' }).port, 8080);
  });

  it('the secrets are in /run/secrets', () => {
    assert.equal(parseConfig([], {}).secretsDir, '/run/secrets');
  });

  it('variables that only apps have mean nothing', async () => {
    const ofApps = {
      DATABOX_VERSION: '0.5.1',
      DATABOX_EXPORT_SERVICE_ENDPOINT: 'https://elsewhere:1',
      DATABOX_DNS: 'x',
    };
    await using box = await readyBox(ofApps);
    assert.equal(await box.judge(box.arbiter.tokenFor(DESTINATION) ?? ''), 'unknown_export');
  });

  it('differs: a container that is made anew on its volume still takes the tokens in the field', async () => {
    await using box = await readyBox();
    const token = box.arbiter.tokenFor(DESTINATION) ?? '';
    await box.start();
    await box.arbiter.asked(2);
    await untilReady(box.url);
    assert.equal(await box.judge(token), 'unknown_export');
  });

  it('a container that is made anew without a volume takes none of them, as it was', async () => {
    await using box = await readyBox();
    const token = box.arbiter.tokenFor(DESTINATION) ?? '';
    await box.start({}, ['--data-dir', box.folder('another volume')]);
    await untilReady(box.url);
    assert.equal(await box.judge(token), 'invalid_token');
  });
});

describe('4 the secrets', () => {
  it('ARBITER_TOKEN is used as it is: the arbiter knows the service by it', async () => {
    await using box = await EnvironmentOfABox.open();
    box.secrets.write('ARBITER_TOKEN', Buffer.alloc(32, 7).toString('base64'));
    await box.start();
    await box.arbiter.asked(1);
    const { status, json } = await askBox(`${box.url}/readyz`);
    assert.deepEqual([status, json.code], [503, 'no_root_key']);
  });

  it('ZMQ_SECRET_KEY is not needed, and what is in it is not looked at', async () => {
    await using box = await EnvironmentOfABox.open();
    box.secrets.remove('ZMQ_SECRET_KEY');
    await box.start();
    await untilReady(box.url);
  });

  it('DATABOX_ROOT_CA is for those who connect: the service starts without', async () => {
    await using box = await EnvironmentOfABox.open();
    box.secrets.remove('DATABOX_ROOT_CA');
    await box.start();
    await untilReady(box.url);
  });

  it('DATABOX.pem is certificate and key of HTTPS, and plain HTTP is not spoken', async () => {
    await using box = await readyBox();
    const { protocol, hostname: host, port } = new URL(box.url);
    assert.equal(protocol, 'https:');
    const socket = connect(Number(port), host);
    await once(socket, 'connect');
    socket.write('GET /status HTTP/1.1\r\nhost: x\r\n\r\n');
    const answer = Buffer.concat(await socket.toArray()).toString('latin1');
    assert.doesNotMatch(answer, /HTTP/);
  });

  it('DATABOX.pem is used with -s as well, which asks no arbiter', async () => {
    await using box = await EnvironmentOfABox.open();
    await box.start({}, ['-s', 'S']);
    await untilReady(box.url);
    assert.equal(await box.judge(tokenFor({ destination: DESTINATION, rootKey: 'S' })), 'unknown_export');
    assert.equal(box.arbiter.asks, 0);
  });

  for (const name of ['ARBITER_TOKEN', 'ZMQ_PUBLIC_KEY', 'DATABOX.pem']) {
    it(`differs: a missing ${name} ends the start by its name; nothing stands in for it`, async () => {
      await using box = await EnvironmentOfABox.open();
      box.secrets.remove(name);
      await assert.rejects(box.start(), (error: Error) =>
        error.message.includes(`${box.secrets.path}/${name}`),
      );
      assert.equal(box.arbiter.asks, 0);
    });
  }

  for (const name of ['ARBITER_TOKEN', 'ZMQ_PUBLIC_KEY']) {
    it(`differs: a line break at the end of ${name} ends the start, since it would be part of the secret`, async () => {
      await using box = await EnvironmentOfABox.open();
      box.secrets.write(name, 'x'.repeat(40).concat('\n'));
      await assert.rejects(box.start(), /ends in a line break/);
    });
  }
});

describe('4 the layout of 2017', () => {
  it('differs: certificate and key under their old names are not looked for', async () => {
    await using box = await EnvironmentOfABox.open();
    box.secrets.remove('DATABOX.pem');
    for (const name of [
      'DATABOX_EXPORT_SERVICE.pem',
      'DATABOX_EXPORT_SERVICE_PEM',
      'DATABOX_EXPORT_SERVICE_PEM.json',
    ]) {
      box.secrets.write(name, BOX_PEM);
    }
    await assert.rejects(box.start(), /there is no \S+\/DATABOX\.pem/);
  });

  it('differs: a token of raw bytes ends the start; those of today are text', async () => {
    await using box = await EnvironmentOfABox.open();
    box.secrets.write('ARBITER_TOKEN', Buffer.alloc(32, 0x9f));
    await assert.rejects(box.start(), /ARBITER_TOKEN holds something else than visible ASCII/);
  });
});
