/** What the Dockerfile, .dockerignore and compose.yaml say. That the image works is `image.test.ts`. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { parseDockerfile } from '../support/image/dockerfile.ts';
import { contextFiles, IMAGE_USER, ROOT, readDockerfile } from '../support/image/image.ts';

const { build, final, config } = readDockerfile();

function read(file: string): string {
  return readFileSync(join(ROOT, file), 'utf8');
}

describe('the Dockerfile', () => {
  it('gives the environment that the interface names for the image, and nothing else', () => {
    assert.deepEqual(config.env, {
      EXPORT_HOST: '0.0.0.0',
      EXPORT_DATA_DIR: '/data',
      DATABOX_ARBITER_ENDPOINT: 'tcp://arbiter:4444',
    });
  });

  it('has the label that the container manager looks for, the port, and a volume for the data', () => {
    assert.equal(config.labels['databox.type'], 'export-service');
    assert.deepEqual(config.exposed, ['8080']);
    assert.deepEqual(config.volumes, ['/data']);
  });

  it('runs as databox, whose number is fixed and not that of root', () => {
    assert.equal(config.user, 'databox');
    const runs = final.instructions.filter(({ keyword }) => keyword === 'RUN').map(({ text }) => text);
    // In words: this is the one step that needs root, so that no test carries it out.
    assert.deepEqual(runs, [
      `groupadd --gid ${IMAGE_USER} databox && useradd --uid ${IMAGE_USER} --gid ${IMAGE_USER} --no-create-home ` +
        '--home-dir /nonexistent --shell /usr/sbin/nologin databox && install --directory --mode=0700 ' +
        '--owner=databox --group=databox /data && ln -s /app/bin/export-service.js /usr/local/bin/export-service',
    ]);
    const order = final.instructions.map(({ keyword }) => keyword);
    assert.ok(order.indexOf('USER') > order.lastIndexOf('RUN'));
  });

  it('starts Node itself, so that signals reach it, with -v as the original does', () => {
    assert.deepEqual(config.entrypoint, ['node', '/app/bin/export-service.js']);
    assert.deepEqual(config.command, ['-v']);
  });

  it('checks health without a shell and without curl', () => {
    assert.deepEqual(config.healthCheck, {
      flags: { interval: '30s', timeout: '5s', 'start-period': '60s', retries: '3' },
      command: ['node', '/app/dist/cli/health-check.js'],
    });
  });

  it('stands on the slim Debian image of the Node that this project is tested with', () => {
    const { devDependencies } = JSON.parse(read('package.json'));
    const major = String(devDependencies.node).split('.')[0];
    for (const stage of [build, final]) assert.equal(stage.from, `node:${major}-bookworm-slim`);
  });

  it('builds on the machine that builds, so that an image for another one is not emulated', () => {
    assert.equal(build.platform, '$BUILDPLATFORM');
    assert.equal(final.platform, null);
  });
});

describe('the reader of Dockerfiles', () => {
  it('refuses what it does not know, so that no step is overlooked', () => {
    assert.throws(() => parseDockerfile('FROM a\nADD . /app'), /not known here: ADD/);
    assert.throws(() => parseDockerfile('WORKDIR /app'), /before the first FROM/);
  });
});

describe('.dockerignore', () => {
  const files = contextFiles();

  it('lets in what the image is made from', () => {
    for (const file of [
      'package-lock.json',
      'bin/export-service.js',
      'src/main.ts',
      'cli/demo/tls/root-ca.pem',
    ]) {
      assert.ok(files.includes(file), file);
    }
  });

  it('lets in no tests, no test data, and nothing that lies about in a checkout', () => {
    const folders = new Set(files.map((file) => file.split('/')[0]));
    const known = [
      'bin',
      'cli',
      'client',
      'client-arbiter',
      'docs',
      'samples',
      'scripts',
      'src',
      'ui',
      'LICENSE',
      'package.json',
    ];
    const settings = [
      'package-lock.json',
      'tsconfig.json',
      'tsconfig.build.json',
      'tsconfig.build.client.json',
    ];
    assert.deepEqual([...folders].sort(), [...known, ...settings].sort());
    assert.ok(files.every((file) => !file.startsWith('docs/') || file.startsWith('docs/examples/')));
    assert.deepEqual(
      files.filter((file) =>
        /\.test\.ts$|\.contract\.ts$|(^|\/)(support|vectors|data|node_modules)\//.test(file),
      ),
      [],
    );
  });
});

describe('compose.yaml', () => {
  const compose = read('compose.yaml');
  const lines = compose.split('\n').map((line) => line.trim());

  it('gives the service nothing that it does not need', () => {
    for (const line of ['read_only: true', '- ALL', '- no-new-privileges:true'])
      assert.ok(lines.includes(line), line);
    assert.match(compose, /cap_drop:\n\s+- ALL/);
    assert.match(compose, /security_opt:\n\s+- no-new-privileges:true/);
    assert.doesNotMatch(compose, /privileged: true|cap_add|user: *["']?(root|0)/);
  });

  it('keeps the data in a volume, and lets in this machine alone', () => {
    assert.ok(lines.includes('- data:/data'));
    assert.match(compose, /^volumes:\n {2}data:$/m);
    assert.ok(lines.includes('- "127.0.0.1:8080:8080"'));
  });

  it('runs without an arbiter', () => {
    assert.ok(lines.includes('DATABOX_ARBITER_ENDPOINT: ""'));
  });

  it('checks health as the image does', () => {
    const { flags, command } = config.healthCheck;
    const test = JSON.stringify(['CMD', ...command]).replaceAll('","', '", "');
    assert.ok(lines.includes(`test: ${test}`));
    for (const [name, value] of Object.entries(flags)) {
      assert.ok(lines.includes(`${name.replace('-', '_')}: ${value}`), name);
    }
  });

  it('lets a stop take longer than attempts in flight are waited for', () => {
    const grace = /stop_grace_period: (\d+)s/.exec(compose)?.[1];
    const drain = /`--drain-max` *\| *`EXPORT_DRAIN_MAX` *\| *`(\d+)s`/.exec(read('docs/settings.md'))?.[1];
    assert.ok(Number(grace) > Number(drain), `${grace} and ${drain}`);
  });
});
