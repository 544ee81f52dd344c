/** The command line of the original's image (contract, section 1.1): `./service -v`, with `-s` and `-p`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { request } from 'undici';
import { runMain } from '../support/captured-io.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { LAUNCHER, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

/** Starts the command, waits until it listens, and kills it when the test is over. */
async function started(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const directory = new TemporaryDirectory();
  const child = spawn(process.execPath, [LAUNCHER, ...args], {
    env: { ...process.env, EXPORT_DATA_DIR: directory.path, ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(child, 'exit');
  const [line] = (await Promise.race([once(createInterface({ input: child.stdout }), 'line'), exited])) as [
    string,
  ];
  return {
    url: /http:\S+/.exec(String(line))?.[0] ?? '',
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      directory[Symbol.dispose]();
    },
  };
}

/** A port that was free a moment ago. */
async function freePort(): Promise<string> {
  return new URL(await nasty.closedPort()).port;
}

describe('1.1 the command line', () => {
  it('-v alone runs the service: so the image starts it', async () => {
    await using service = await started(['-v'], { DATABOX_LOCAL_PORT: '0' });
    assert.equal((await request(`${service.url}/status`)).statusCode, 200);
  });

  it('without anything it runs the service too', async () => {
    await using service = await started([], { DATABOX_LOCAL_PORT: '0' });
    assert.equal((await request(`${service.url}/status`)).statusCode, 200);
  });

  for (const flag of ['-p', '--port']) {
    it(`${flag} is the port`, async () => {
      const port = await freePort();
      await using service = await started([flag, port]);
      assert.equal(new URL(service.url).port, port);
    });
  }

  for (const flag of ['-s', '--secret']) {
    it(`${flag} is the secret, and no arbiter is asked`, async () => {
      await using service = await started([flag, 'S', '-p', '0', '-v']);
      const destination = 'https://receiver.example/in';
      const statusWith = async (rootKey: string) => {
        const { statusCode, body } = await request(`${service.url}/lp/export`, {
          method: 'POST',
          headers: { 'x-api-key': tokenFor({ destination, path: '/lp/export', rootKey }) },
          body: JSON.stringify({ id: '018f0000-0000-7000-8000-000000000000' }),
        });
        await body.dump();
        return statusCode;
      };
      assert.equal(await statusWith('S'), 404);
      assert.equal(await statusWith('s'), 401);
    });
  }

  it('the port is 8080 and the name export-service unless told otherwise', async () => {
    const { stdout } = await runMain(['-v', '--print-config', '--json']);
    const config = JSON.parse(stdout);
    assert.equal(config.port.value, 8080);
    assert.equal(config.name.value, 'export-service');
  });

  for (const flag of ['--polling', '--websocket']) {
    it(`differs: ${flag}, which chose one of the modes, is unknown: all are there`, async () => {
      const { code, stderr } = await runMain([flag]);
      assert.equal(code, 2);
      assert.match(stderr, new RegExp(flag));
    });
  }
});
