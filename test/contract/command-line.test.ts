/** The command line of the original's image (contract, section 1.1): `./service -v`, with `-s` and `-p`. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { request } from 'undici';
import type { WireProblem } from '../../client/wire.ts';
import { runMain } from '../support/captured-io.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { firstLineOf } from '../support/first-line.ts';
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
  const line = await firstLineOf(child);
  return {
    url: /http:\S+/.exec(line)?.[0] ?? '',
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exited;
      directory[Symbol.dispose]();
    },
  };
}

/** A POST to `/lp/export`; resolves with the problem. */
async function post(url: string, token: string, json: object): Promise<WireProblem> {
  const headers = { 'x-api-key': token };
  const { body } = await request(`${url}/lp/export`, { method: 'POST', headers, body: JSON.stringify(json) });
  return (await body.json()) as WireProblem;
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
      const poll = { id: '018f0000-0000-7000-8000-000000000000' };
      assert.equal(
        (await post(service.url, tokenFor({ destination, rootKey: 'S' }), poll)).code,
        'unknown_export',
      );
      assert.equal(
        (await post(service.url, tokenFor({ destination, rootKey: 's' }), poll)).code,
        'invalid_token',
      );
    });
  }

  it('differs: a destination must be https:, and no address inside of the box, unless a flag allows it', async () => {
    await using service = await started(['-s', 'S', '-p', '0']);
    for (const uri of [
      'http://receiver.example/',
      'https://10.0.0.1/',
      'https://[::1]/',
      'https://169.254.169.254/',
    ]) {
      const token = tokenFor({ destination: uri, rootKey: 'S' });
      assert.equal(
        (await post(service.url, token, { id: '', uri, data: '{}' })).code,
        'destination_refused',
        uri,
      );
    }
  });

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
