/** The store at its ceiling, on a disk that others have filled, and where the system refuses to write. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
import type { Socket } from 'node:net';
import { it, type TestContext } from 'node:test';
import { ExportClientError } from '../../client/index.ts';
import { checkStore } from '../../src/store/sqlite/check.ts';
import { pidOfService } from '../soak/figures.ts';
import { answerText, startDestination, type TestDestination } from '../support/destinations/destination.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import { until } from './until.ts';

const MIB = 1_024 ** 2;
const EXPORT_BYTES = MIB / 4;
/** More than any of the stores here takes. */
const EXPORTS_MAX = 1_000;

/** A destination that answers nothing until it is opened. */
class HeldDestination implements AsyncDisposable {
  readonly #held: Socket[] = [];
  #destination: TestDestination | null = null;
  #isOpen = false;

  static async start(): Promise<HeldDestination> {
    const held = new HeldDestination();
    held.#destination = await startDestination({ onRequest: (socket) => held.#answer(socket) });
    return held;
  }

  get url(): string {
    return this.#destination?.url ?? '';
  }

  /** The exports that arrived, each once. */
  get arrived(): ReadonlySet<string | undefined> {
    return new Set(this.#destination?.received.map(({ headers }) => headers['webhook-id']));
  }

  open(): void {
    this.#isOpen = true;
    for (const socket of this.#held.splice(0)) this.#answer(socket);
  }

  close(): void {
    this.#isOpen = false;
  }

  #answer(socket: Socket): void {
    if (this.#isOpen) socket.write(answerText('200 OK', 'thanks'));
    else this.#held.push(socket);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#destination?.close();
  }
}

/** An app that hands exports over and knows what it was told about each. */
class App {
  readonly #service: ServiceProcess;
  readonly #destination: HeldDestination;
  readonly accepted: string[] = [];
  #count = 0;

  constructor(service: ServiceProcess, destination: HeldDestination) {
    this.#service = service;
    this.#destination = destination;
  }

  get #client() {
    return clientFor(this.#service.url, this.#destination.url, { repeat: { triesMax: 1 } });
  }

  /** Hands one export over. What is answered 200 counts. */
  async submit(idempotencyKey = `key-${++this.#count}`): Promise<string> {
    const data = 'x'.repeat(EXPORT_BYTES);
    const { id } = await this.#client.submit({ destination: this.#destination.url, data, idempotencyKey });
    this.accepted.push(id);
    return id;
  }

  /** Hands exports over until one is refused; the code it was refused with. */
  async submitUntilRefused(): Promise<string> {
    for (let n = 0; n < EXPORTS_MAX; n += 1) {
      const refusal = await this.refusal();
      if (refusal !== null) return refusal;
    }
    assert.fail(`${EXPORTS_MAX} exports were taken in`);
  }

  /** Hands one over; null when it was accepted. */
  async refusal(): Promise<string | null> {
    try {
      await this.submit();
      return null;
    } catch (error) {
      assert.ok(error instanceof ExportClientError, String(error));
      return error.code;
    }
  }

  /** Every accepted export must end with the destination's answer, and have arrived. */
  async assertNothingIsLost(): Promise<void> {
    for (const id of this.accepted) {
      const { answer } = await this.#client.wait(id, { timeoutMs: 60_000 });
      assert.equal(answer.status, 200);
      assert.equal(answer.body, 'thanks');
    }
    const { arrived } = this.#destination;
    assert.deepEqual(
      this.accepted.filter((id) => !arrived.has(id)),
      [],
      'lost',
    );
    assert.equal(arrived.size, new Set(this.accepted).size, 'what was refused did not arrive');
  }
}

it('at its ceiling a store takes nothing new in, lets everything leave, and then takes in again', async () => {
  await using service = await ServiceProcess.start(['--store-bytes-max', '22MiB']);
  await using destination = await HeldDestination.start();
  const app = new App(service, destination);
  const first = await app.submit('the-first');
  assert.equal(await app.submitUntilRefused(), 'store_full');
  assert.ok(app.accepted.length >= 10, `${app.accepted.length} exports of 256 KiB in 6 MiB`);
  assert.equal(await app.submit('the-first'), first, 'a repeat is still answered');

  await service.end('SIGKILL');
  await service.start();
  assert.equal(await app.refusal(), 'store_full', 'a restart makes no room');

  destination.open();
  await app.assertNothingIsLost();
  for (let n = 0; n < 5; n += 1) await app.submit();
  await app.assertNothingIsLost();
  await assertSound(service, `${service.dataDir}/exports.db`);
});

it('when the reserve below the ceiling is gone too, sending pauses, and goes on when room returns; nothing is lost', async () => {
  const answers = 12;
  const answerBytes = 3 * MIB;
  const flags = ['--store-bytes-max', '18MiB', '--response-bytes-max', '4MiB', '--keep-results', '4s'];
  await using service = await ServiceProcess.start(flags);
  await using destination = await startDestination({
    onRequest: (socket) => socket.write(answerText('200 OK', 'x'.repeat(answerBytes))),
  });
  // Not by the client, which gives every export a key, and results are kept as long as that.
  const response = await fetch(`${service.url}/export`, {
    method: 'POST',
    headers: { 'X-Api-Key': tokenFor({ destination: destination.url }), 'Content-Type': 'application/json' },
    body: JSON.stringify(Array.from({ length: answers }, (_, data) => ({ uri: destination.url, data }))),
  });
  const ids = ((await response.json()) as { id: string }[]).map(({ id }) => id);

  // Five answers of 3 MiB fill it. The sixth cannot be put down, and nothing is sent behind it until it is.
  await service.logged(/the store failed; it will be asked again/);
  assert.ok(destination.received.length < answers, `${destination.received.length} were sent`);
  const store = `${service.dataDir}/exports.db`;
  await until('all have been delivered, as old results make room', () => {
    return checkStore(store).exports?.delivered === answers;
  });
  assert.deepEqual(
    destination.received.map(({ headers }) => headers['webhook-id']),
    ids,
    'each once and in order: what had been answered was not forgotten',
  );
  await assertSound(service, store);
});

it('on a disk that others have filled everything queued leaves, and what is freed is used again', async (context) => {
  using disk = smallDisk(context);
  if (disk === null) return;
  const store = `${disk.path}/exports.db`;
  await using service = await ServiceProcess.start(['--store', `sqlite:${store}`]);
  await using destination = await HeldDestination.start();
  const app = new App(service, destination);
  assert.ok(statSync(`${store}.reserve`).size > 0, 'a reserve is held');
  assert.equal(await app.submitUntilRefused(), 'store_full');
  assert.ok(app.accepted.length >= 20, `${app.accepted.length} exports of 256 KiB on 64 MiB`);

  disk.fill();
  assert.equal(await app.refusal(), 'store_full');
  await service.end('SIGKILL');
  await service.start();
  // At its start the log was emptied into the file: others take the room that this made.
  disk.fill();
  assert.equal(await app.refusal(), 'store_full', 'a killed service comes back on the full disk');

  destination.open();
  await app.assertNothingIsLost();

  await service.end('SIGTERM');
  disk.fill();
  await service.start();
  await app.assertNothingIsLost();

  disk.free();
  for (let n = 0; n < 10; n += 1) await app.submit();
  await app.assertNothingIsLost();
  assert.ok(existsSync(`${store}.reserve`), 'there is a reserve again');
  await assertSound(service, store);
});

it('where the system refuses to write nothing is lost, and all goes on when it no longer does', async (context) => {
  await using service = await ServiceProcess.start(['--attempt-timeout', '60s']);
  await using destination = await HeldDestination.start();
  const app = new App(service, destination);
  await app.submit();
  if (!limitFiles(service, '18874368')) return context.skip('prlimit cannot limit the size of files here');

  const code = await app.submitUntilRefused();
  assert.ok(code === 'store_unavailable' || code === 'store_full', code);
  const before = app.accepted.length;
  assert.ok(before >= 20, `${before} exports of 256 KiB before the file reached 18 MiB`);
  destination.open();
  // An outcome that cannot be recorded is kept, and recorded later.
  await service.logged(/the store failed; it will be asked again/);

  limitFiles(service, 'unlimited');
  await app.assertNothingIsLost();
  await app.submit();
  await app.assertNothingIsLost();
  await assertSound(service, `${service.dataDir}/exports.db`);
});

async function assertSound(service: ServiceProcess, store: string): Promise<void> {
  assert.deepEqual(checkStore(store).problems, [], 'beside the service');
  assert.equal(await service.end('SIGTERM'), 0);
  assert.deepEqual(checkStore(store).problems, []);
}

/** How large any file may become that the service writes; false where that cannot be said. */
function limitFiles(service: ServiceProcess, bytes: string): boolean {
  // Only the soft limit: that can be raised again without being root.
  return (
    spawnSync('prlimit', ['--pid', String(pidOfService(service.dataDir)), `--fsize=${bytes}:`]).status === 0
  );
}

/** A file system of 64 MiB; null where none can be mounted, and the test is skipped. */
function smallDisk(context: TestContext): SmallDisk | null {
  const disk = new SmallDisk();
  if (disk.isMounted) return disk;
  disk[Symbol.dispose]();
  context.skip('a tmpfs cannot be mounted here');
  return null;
}

class SmallDisk implements Disposable {
  readonly #directory = new TemporaryDirectory();
  readonly path = this.#directory.path;
  readonly isMounted: boolean;

  constructor() {
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', this.path]);
    this.isMounted = status === 0;
  }

  /** Writes until there is no room left, as another program would. */
  fill(): void {
    const chunk = Buffer.alloc(64 * 1_024);
    const descriptor = openSync(`${this.path}/other`, 'a');
    try {
      for (;;) writeSync(descriptor, chunk);
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC');
    } finally {
      closeSync(descriptor);
    }
  }

  free(): void {
    rmSync(`${this.path}/other`);
  }

  [Symbol.dispose](): void {
    if (this.isMounted) spawnSync('umount', [this.path]);
    this.#directory[Symbol.dispose]();
  }
}
