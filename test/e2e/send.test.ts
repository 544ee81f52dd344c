/** `export-service send` as a process of its own, against a real service, interrupted and killed in the middle. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { TestDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/export-service.js', import.meta.url));
const EXPORTS = 400;

interface Run {
  readonly child: ChildProcess;
  readonly written: { stdout: string; stderr: string };
}

function start(service: ServiceProcess, destination: TestDestination, args: readonly string[]): Run {
  const child = spawn(process.execPath, [LAUNCHER, 'send', '--to', destination.url, ...args], {
    env: {
      ...process.env,
      EXPORT_URL: service.url,
      EXPORT_TOKEN: tokenFor({ destination: destination.url }),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
    });
  }
  return { child, written };
}

async function end({ child }: Run): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  return ((await once(child, 'close')) as [number | null])[0];
}

function bodies({ received }: TestDestination): string[] {
  return received.map(({ body }) => body.toString()).sort();
}

describe('send', () => {
  for (const [how, signal] of [
    ['stopped by Ctrl-C', 'SIGINT'],
    ['killed', 'SIGKILL'],
  ] as const) {
    it(`goes on after being ${how} again and again, and nothing arrives twice or not at all`, async () => {
      await using service = await ServiceProcess.start();
      await using destination = await nasty.answers();
      using directory = new TemporaryDirectory();
      const file = `${directory.path}/readings.ndjson`;
      const lines = Array.from({ length: EXPORTS }, (_, n) => `{"n":${n}}`);
      writeFileSync(file, `${lines.join('\n')}\n`);
      for (const arrived of [40, 150, 260]) {
        const run = start(service, destination, [file]);
        await destination.arrived(arrived);
        run.child.kill(signal);
        const code = await end(run);
        assert.equal(code, signal === 'SIGINT' ? 1 : null);
        if (signal === 'SIGINT') {
          assert.match(run.written.stderr, /Stopped\. .*Run the same command again within a day/);
        }
      }
      const last = start(service, destination, [file]);
      assert.equal(await end(last), 0, last.written.stderr);
      assert.match(last.written.stdout, /delivered, [\d,]+ already by an earlier run/);
      assert.deepEqual(bodies(destination), [...lines].sort());
      assert.deepEqual(readdirSync(directory.path), ['readings.ndjson']);
    });
  }

  it('waits for a service that restarts meanwhile', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    using directory = new TemporaryDirectory();
    const file = `${directory.path}/readings.ndjson`;
    const lines = Array.from({ length: 200 }, (_, n) => String(n));
    writeFileSync(file, lines.join('\n'));
    const run = start(service, destination, [file]);
    await destination.arrived(20);
    await service.end('SIGTERM');
    await service.start();
    assert.equal(await end(run), 0, run.written.stderr);
    assert.deepEqual(bodies(destination), [...lines].sort());
  });

  it('ends at Ctrl-C also while it waits for stdin', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    const run = start(service, destination, []);
    run.child.stdin?.write('1\n2\n');
    await destination.arrived(2);
    run.child.kill('SIGINT');
    assert.equal(await end(run), 1);
    assert.match(run.written.stderr, /Nothing was noted of it/);
  });
});
