/** Refusals are counted by the minute and come into the ledger, whether or not anything else happens. Time is turned by hand. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { type App, createApp } from '../../src/app.ts';
import { parseConfig } from '../../src/config.ts';
import { readUnverifiedCheckpoint } from '../../src/ledger/checkpoint.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { entriesIn } from '../support/ledger/entries.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { TEST_FLAGS, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const MINUTE = 60_000;
/** In a network that is not open. */
const PRIVATE = 'http://10.0.0.1/in';
/** Open, but for the owner. */
const BLOCKED = 'http://127.0.0.1:1/in';

/** A service of this process that can be stopped and started again. */
class Box implements AsyncDisposable {
  readonly directory = new TemporaryDirectory();
  readonly store = this.directory.file('exports.db');
  /** Ten seconds after a full minute. */
  readonly clock = new ManualClock(Date.UTC(2026, 0, 1, 12, 0, 10));
  app: App | null = null;

  async start(): Promise<void> {
    const config = parseConfig(['--port', '0', '--data-dir', this.directory.path, ...TEST_FLAGS], {});
    this.app = await createApp(config, createLog('silent', { write: () => {} }), { clock: this.clock });
  }

  async stop(): Promise<void> {
    await this.app?.[Symbol.asyncDispose]();
    this.app = null;
  }

  async ask(path: string, token: string, body: object): Promise<number> {
    const headers = { 'x-api-key': token, 'content-type': 'application/json' };
    const response = await fetch(`${this.app?.url}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    });
    await response.text();
    return response.status;
  }

  async refuse(uri: string, count: number): Promise<void> {
    const token = tokenFor({ destination: uri, client: 'sleep-app' });
    for (let done = 0; done < count; done += 1)
      assert.equal(await this.ask('/export', token, { uri, data: '1' }), 403);
  }

  /** What the store has been asked for by now is done when this resolves; it refuses nothing. */
  async settle(): Promise<void> {
    assert.equal((await fetch(`${this.app?.url}/readyz`)).status, 200);
  }

  /** Destination, count and minute of what the ledger says was refused. */
  get recorded(): [string | null, number, string][] {
    return entriesIn(this.store).flatMap((entry) =>
      entry.kind === 'refused' ? [[entry.destination, entry.count, entry.minute.slice(11, 16)]] : [],
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.directory[Symbol.dispose]();
  }
}

it('a minute after which nothing happens is in the ledger as soon as it is over', async () => {
  await using box = new Box();
  await box.start();
  await box.refuse(PRIVATE, 3);
  box.clock.advance(50_000 - 1);
  await box.refuse(PRIVATE, 1);
  assert.deepEqual(box.recorded, []);
  box.clock.advance(1);
  await box.settle();
  assert.deepEqual(box.recorded, [[PRIVATE, 4, '12:00']]);
  box.clock.advance(MINUTE);
  await box.settle();
  await box.stop();
  assert.equal(box.recorded.length, 1, 'once');
});

it('a stop within the minute records and signs what was counted, and the next life counts on', async () => {
  await using box = new Box();
  await box.start();
  const owner = tokenFor({ path: '/owner/*', method: '*' });
  assert.equal(await box.ask('/owner/rules', owner, { kind: 'block', destination: BLOCKED }), 200);
  await box.refuse(PRIVATE, 3);
  await box.refuse(BLOCKED, 2);
  await box.stop();
  const first = [
    [PRIVATE, 3, '12:00'],
    [BLOCKED, 2, '12:00'],
  ];
  assert.deepEqual(box.recorded, first);
  const head = readFileSync(box.directory.file('ledger.head'), 'utf8');
  assert.equal(readUnverifiedCheckpoint(head).size, entriesIn(box.store).length, 'all of it is signed');

  await box.start();
  await box.refuse(BLOCKED, 1);
  await box.stop();
  assert.deepEqual(box.recorded, [...first, [BLOCKED, 1, '12:00']]);
});
