import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';

const SCRIPT = fileURLToPath(new URL('prune-for-image.ts', import.meta.url));
const MODULES = realpathSync(fileURLToPath(new URL('../node_modules', import.meta.url)));
/** What ELF calls the machine that a binary is for, at byte 18. */
const ELF_MACHINES = { amd64: 0x3e, arm64: 0xb7 } as const;

const LOAD_TRACING = `
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace-base';
console.log(typeof OTLPTraceExporter, typeof BatchSpanProcessor);
`;

/** A copy of the packages that the script is about. */
class Modules extends TemporaryDirectory {
  constructor() {
    super();
    for (const name of ['zeromq', 'cmake-ts', 'node-addon-api', '@opentelemetry']) {
      mkdirSync(this.file('node_modules'), { recursive: true });
      cpSync(join(MODULES, name), join(this.file('node_modules'), name), { recursive: true });
    }
  }

  prune(platform: string) {
    return promisify(execFile)(process.execPath, [SCRIPT, platform], { cwd: this.path });
  }

  get binaries(): string[] {
    return globSync('node_modules/**/*.node', { cwd: this.path });
  }
}

describe('prune-for-image', () => {
  for (const [platform, machine] of Object.entries(ELF_MACHINES)) {
    it(`keeps one binary of zeromq for ${platform}, which is for that machine and for glibc`, async () => {
      using modules = new Modules();
      assert.ok(modules.binaries.length > 10);
      await modules.prune(platform);
      const [binary = '', ...others] = modules.binaries;
      assert.deepEqual(others, []);
      assert.match(binary, /\/linux\/.*\/glibc-/);
      assert.equal(readFileSync(modules.file(binary)).readUInt16LE(18), machine);
    });
  }

  it('leaves a zeromq that loads', {
    skip: process.platform !== 'linux' && 'images are for Linux',
  }, async () => {
    using modules = new Modules();
    await modules.prune(process.arch === 'x64' ? 'amd64' : 'arm64');
    const script = `console.log(require(${JSON.stringify(modules.file('node_modules/zeromq'))}).capability.curve)`;
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['--eval', script]);
    assert.deepEqual([stdout, stderr], ['true\n', '']);
    assert.ok(!existsSync(modules.file('node_modules/node-addon-api')));
  });

  it('leaves an OpenTelemetry that loads, without what Node never loads of it', async () => {
    using modules = new Modules();
    await modules.prune('amd64');
    writeFileSync(modules.file('load.mjs'), LOAD_TRACING);
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [modules.file('load.mjs')]);
    assert.deepEqual([stdout, stderr], ['function function\n', '']);
    const left = globSync('node_modules/@opentelemetry/**/*.{js,cjs,mjs,map,ts}', { cwd: modules.path });
    assert.ok(left.length > 100);
    assert.deepEqual(
      left.filter((file) => /\.map$|\.d\.ts$|\/esm\/|\/esnext\//.test(file)),
      [],
    );
  });

  it('fails for a platform that it does not know, and removes nothing', async () => {
    using modules = new Modules();
    const count = modules.binaries.length;
    for (const platform of ['', 'x64', 'riscv64']) await assert.rejects(modules.prune(platform), /usage: /);
    assert.equal(modules.binaries.length, count);
  });

  it('fails when a package is not as it was, rather than make an image that cannot start', async () => {
    using modules = new Modules();
    rmSync(modules.file('node_modules/cmake-ts/build/loader.js'));
    await assert.rejects(modules.prune('amd64'), /loader\.js is not there/);
  });
});
