/** Method: a real store, places in memory that can be made to fail, and a clock that is turned by hand. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, rmSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { NOT_KEPT, STORE_KEYS } from '../../test/support/store-keys.ts';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { until } from '../../test/support/until.ts';
import { CheckpointSigner, openCheckpoint, readUnverifiedCheckpoint } from '../ledger/checkpoint.ts';
import { parseEntry } from '../ledger/entry.ts';
import { noteSigner, parseVerifierKey } from '../ledger/note-key.ts';
import { SqliteJobStore } from '../store/sqlite/sqlite-job-store.ts';
import { CheckpointKeeper } from './checkpoint-keeper.ts';
import type { CheckpointPlace } from './places.ts';

const SEED = Buffer.alloc(32, 9);
const SECOND = 1_000;

/** Somewhere outside, in memory. */
class Place implements CheckpointPlace {
  readonly where: string;
  readonly canBeRead = true;
  note: string | null = null;
  /** Every note that was written, in order. */
  readonly written: string[] = [];
  failure: Error | null = null;

  constructor(where: string) {
    this.where = where;
  }

  async read(): Promise<string | null> {
    return this.note;
  }

  async write(note: string): Promise<void> {
    if (this.failure !== null) throw this.failure;
    this.note = note;
    this.written.push(note);
  }

  get size(): number {
    return this.note === null ? 0 : readUnverifiedCheckpoint(this.note).size;
  }
}

/** A box: a store's file, and what is kept outside of it. */
class Box implements AsyncDisposable {
  readonly directory = new TemporaryDirectory();
  readonly path = this.directory.file('exports.db');
  readonly clock = new ManualClock();
  readonly headFile = new Place('ledger.head');
  readonly mirror = new Place('elsewhere');
  readonly told: string[] = [];
  #logs = 0;
  store: SqliteJobStore | null = null;
  keeper: CheckpointKeeper | null = null;

  async start(): Promise<CheckpointKeeper> {
    this.store = await SqliteJobStore.open(this.path);
    await this.store.unlock(STORE_KEYS, NOT_KEPT);
    this.keeper = await CheckpointKeeper.open({
      store: this.store.ledger,
      clock: this.clock,
      headFile: this.headFile,
      mirrors: [this.mirror],
      instance: '',
      seed: SEED,
      newOrigin: () => `box.example/export/${++this.#logs}`,
      version: '1.0.0',
      observer: {
        began: ({ origin, reason, previous }) => this.told.push(`${origin} ${reason} ${previous}`),
        notKept: (where, error) => this.told.push(`${where}: ${(error as Error).message}`),
        empty: (where) => this.told.push(`${where} is empty`),
        halted: (where, error) => this.told.push(`halted by ${where}: ${error.message}`),
      },
    });
    return this.keeper;
  }

  async stop(): Promise<void> {
    await this.keeper?.[Symbol.asyncDispose]();
    await this.kill();
  }

  /** Without the last words of a stop. */
  async kill(): Promise<void> {
    await this.store?.[Symbol.asyncDispose]();
    this.keeper = null;
    this.store = null;
  }

  /** A start that is refused; the reason. */
  async refusal(): Promise<string> {
    try {
      await this.start();
    } catch (error) {
      return (error as Error).message;
    } finally {
      await this.kill();
    }
    assert.fail('it started');
  }

  async append(count = 1): Promise<void> {
    for (let done = 0; done < count; done += 1) {
      const rule = { app: null, destination: null, note: null, createdAt: this.clock.now() };
      const id = randomUUID();
      await this.store?.owner.addRule({ ...rule, id, kind: 'hold' });
    }
  }

  copy(to: string): void {
    copyFileSync(this.path, this.directory.file(to));
  }

  restore(from: string): void {
    for (const end of ['-wal', '-shm']) rmSync(this.path + end, { force: true });
    copyFileSync(this.directory.file(from), this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.directory[Symbol.dispose]();
  }
}

const verifierOf = (origin: string) => parseVerifierKey(noteSigner(origin, SEED).verifierKey);

describe('a checkpoint', () => {
  it('is there once the service runs, signed, of all there is', async () => {
    await using box = new Box();
    await box.start();
    const { origin, size } = openCheckpoint(box.headFile.note ?? '', [verifierOf('box.example/export/1')]);
    assert.deepEqual([origin, size], ['box.example/export/1', 2]);
    assert.deepEqual(box.told, ['box.example/export/1 first_log null']);
  });

  it('is signed at most once a second', async () => {
    await using box = new Box();
    await box.start();
    await box.append(3);
    box.clock.advance(SECOND - 1);
    await box.store?.ping();
    assert.equal(box.headFile.size, 2);
    box.clock.advance(1);
    await until(() => box.headFile.size === 5);
    assert.equal(box.headFile.written.length, 2);
    box.clock.advance(100 * SECOND);
    await box.store?.ping();
    assert.equal(box.headFile.written.length, 2, 'and not again when nothing is new');
  });

  it('is signed at once when somebody asks, and once for all who ask together', async () => {
    await using box = new Box();
    const keeper = await box.start();
    await box.append();
    const notes = await Promise.all([1, 2, 3].map(() => keeper.checkpoint(keeper.origin)));
    assert.deepEqual(notes, Array(3).fill(box.headFile.note));
    assert.equal(box.headFile.size, 3);
    assert.equal(box.headFile.written.length, 2);
  });

  it('is shown only once it is in the file; while it cannot be, the last one is', async () => {
    await using box = new Box();
    const keeper = await box.start();
    const first = await keeper.checkpoint(keeper.origin);
    box.headFile.failure = new Error('the disk is full');
    await box.append();
    assert.equal(await keeper.checkpoint(keeper.origin), first);
    assert.match(box.told.at(-1) ?? '', /ledger\.head: the disk is full/);
    assert.equal(box.mirror.size, 2, 'nor is it sent anywhere');
    box.clock.advance(SECOND - 1);
    assert.deepEqual(keeper.behindMs, { beside: SECOND - 1, elsewhere: 0 });
    box.headFile.failure = null;
    box.clock.advance(10 * SECOND);
    await until(() => box.mirror.size === 3);
    assert.deepEqual(keeper.behindMs, { beside: 0, elsewhere: 0 });
    assert.equal(box.headFile.size, 3);
  });

  it('goes elsewhere too; a place that does not take it gets the newest one later, and nobody waits for it', async () => {
    await using box = new Box();
    box.mirror.failure = new Error('nobody answers');
    const keeper = await box.start();
    await until(() => box.told.includes('elsewhere: nobody answers'));
    for (let count = 0; count < 3; count += 1) {
      await box.append();
      await keeper.checkpoint(keeper.origin);
    }
    assert.deepEqual(keeper.behindMs, { beside: 0, elsewhere: 0 });
    box.clock.advance(500);
    assert.deepEqual(keeper.behindMs, { beside: 0, elsewhere: 500 });
    box.mirror.failure = null;
    box.clock.advance(60 * SECOND);
    await until(() => box.mirror.size === 5);
    await until(() => keeper.behindMs.elsewhere === 0);
    assert.equal(box.mirror.written.length, 1);
    assert.equal(
      box.told.filter((line) => line.startsWith('elsewhere')).length,
      1,
      'said once in ten minutes',
    );
  });

  it('of all there is is signed at a stop, and the store knows it', async () => {
    await using box = new Box();
    await box.start();
    await box.append(4);
    await box.stop();
    assert.deepEqual([box.headFile.size, box.mirror.size], [6, 6]);
    await box.start();
    const logs = await box.store?.ledger.logs();
    assert.equal(readUnverifiedCheckpoint(logs?.[0]?.checkpoint ?? '').size, 6);
  });
});

describe('a log', () => {
  it('goes on after a stop, and after a crash with entries that no checkpoint covers', async () => {
    await using box = new Box();
    await box.start();
    await box.stop();
    await box.start();
    await box.append(3);
    await box.kill();
    const keeper = await box.start();
    assert.equal(keeper.origin, 'box.example/export/1');
    assert.equal(box.headFile.size, 2 + 1 + 3 + 1);
  });

  it('does not go on in a store that is behind: a new one names it and its last checkpoint', async () => {
    await using box = new Box();
    await box.start();
    await box.append(2);
    await box.stop();
    box.copy('backup.db');
    await box.start();
    await box.append(5);
    await box.stop();
    const last = box.headFile.note;
    box.restore('backup.db');
    const keeper = await box.start();
    assert.equal(keeper.origin, 'box.example/export/2');
    const [log] = (await box.store?.ledger.entries(keeper.origin, 0, 1)) ?? [];
    const entry = parseEntry(log?.text ?? '');
    assert.ok(entry.kind === 'log');
    assert.equal(entry.reason, 'store_behind');
    assert.deepEqual(entry.previous, { origin: 'box.example/export/1', checkpoint: last, kept: 4 });
    assert.ok(box.told.includes('box.example/export/2 store_behind box.example/export/1'));
  });

  it('does not go on when the file beside the store is gone too: nobody can say what was signed', async () => {
    await using box = new Box();
    await box.start();
    await box.stop();
    box.headFile.note = null;
    box.mirror.note = null;
    const keeper = await box.start();
    assert.equal(keeper.origin, 'box.example/export/2');
    assert.ok(box.told.includes('box.example/export/2 no_outside_head box.example/export/1'));
  });

  it('goes on by a checkpoint that was kept elsewhere, and the file that was behind is brought up to date first', async () => {
    await using box = new Box();
    await box.start();
    const old = box.headFile.note;
    await box.append(2);
    await box.stop();
    box.headFile.note = old;
    const before = box.headFile.written.length;
    const keeper = await box.start();
    assert.equal(keeper.origin, 'box.example/export/1');
    const sizes = box.headFile.written.slice(before).map((note) => readUnverifiedCheckpoint(note).size);
    assert.deepEqual(sizes, [4, 5]);
  });

  for (const [what, spoil] of [
    ['of another box', () => noteSigner('box.example/export/1', Buffer.alloc(32, 1))],
    ['that is none', () => null],
  ] as const) {
    it(`is not begun over a checkpoint ${what}: the start is refused and nothing changes`, async () => {
      await using box = new Box();
      await box.start();
      await box.stop();
      const good = box.headFile.note ?? '';
      const signer = spoil();
      const [text = ''] = good.split('\n\n');
      box.headFile.note =
        signer === null
          ? 'not a checkpoint'
          : `${text}\n\n— ${signer.name} ${Buffer.concat([signer.id, signer.sign(`${text}\n`)]).toString('base64')}\n`;
      assert.match(await box.refusal(), /ledger\.head is not a checkpoint that this store has signed/);
      box.headFile.note = good;
      const keeper = await box.start();
      assert.equal(keeper.origin, 'box.example/export/1');
      assert.equal(box.headFile.size, 3, 'the refused start has left no entry');
    });
  }

  it('is not gone on with when its entries are others than those that were signed', async () => {
    await using box = new Box();
    await box.start();
    await box.append();
    await box.kill();
    box.copy('unsigned.db');
    assert.ok(existsSync(box.path));
    await box.start();
    await box.append(3);
    await box.stop();
    // The copy, with other entries in the places of those that were signed since.
    box.restore('unsigned.db');
    const signed = { head: box.headFile.note, mirror: box.mirror.note };
    box.headFile.note = box.headFile.written[0] ?? null;
    box.mirror.note = null;
    await box.start();
    await box.append(10);
    await box.stop();
    box.headFile.note = signed.head;
    assert.match(await box.refusal(), /was signed for 7 entries, and those in the store are others/);
  });
});

describe('what a place holds is looked at before it is replaced', () => {
  /** Signed up to 9 entries; then the whole folder is put back to 4, started while the place is away, and that is back. */
  async function forked(box: Box, appended: number): Promise<string> {
    await box.start();
    await box.append(2);
    await box.stop();
    box.copy('copy.db');
    const head = box.headFile.note;
    await box.start();
    await box.append(4);
    await box.stop();
    assert.equal(box.mirror.size, 9);
    const witness = box.mirror.note ?? '';
    box.restore('copy.db');
    box.headFile.note = head;
    box.mirror.note = null;
    await box.start();
    assert.equal(box.keeper?.origin, 'box.example/export/1', 'nobody could know');
    await until(() => box.mirror.note !== null);
    box.mirror.note = witness;
    await box.append(appended);
    return witness;
  }
  const isHalted = (box: Box) => () => box.told.some((line) => line.startsWith('halted by elsewhere'));

  it('a file that is gone is told of, unless nothing was signed before', async () => {
    await using box = new Box();
    await box.start();
    await box.stop();
    assert.ok(!box.told.includes('elsewhere is empty'));
    box.mirror.note = null;
    await box.start();
    assert.ok(box.told.includes('elsewhere is empty'));
  });

  for (const [what, appended] of [
    ['larger', 1],
    ['of the same size and another root', 4],
    ['smaller, with another root', 8],
  ] as const) {
    it(`a head of this log that is ${what} stays, and no more is signed or shown`, async () => {
      await using box = new Box();
      const witness = await forked(box, appended);
      const { keeper } = box;
      assert.ok(keeper);
      await keeper.checkpoint(keeper.origin);
      await until(isHalted(box));
      const signed = box.headFile.note;
      await box.append(3);
      box.clock.advance(3_600 * SECOND);
      await assert.rejects(keeper.checkpoint(keeper.origin), { code: 'store_unavailable' });
      await box.stop();
      assert.deepEqual([box.mirror.note, box.headFile.note], [witness, signed]);
      assert.equal(box.told.filter((line) => line.startsWith('halted')).length, 1);
    });
  }

  it('then the next start sees it: a new log, which admits what was signed', async () => {
    await using box = new Box();
    const witness = await forked(box, 1);
    await box.keeper?.checkpoint('box.example/export/1');
    await until(isHalted(box));
    await box.stop();
    const keeper = await box.start();
    const [entry] = (await box.store?.ledger.entries(keeper.origin, 0, 1)) ?? [];
    const log = parseEntry(entry?.text ?? '');
    assert.ok(log.kind === 'log');
    assert.deepEqual(
      [log.reason, log.previous],
      ['store_behind', { origin: 'box.example/export/1', checkpoint: witness, kept: 6 }],
    );
    // It is admitted now, so the place gets the new log's.
    await until(() => box.mirror.note === box.headFile.note);
  });

  it('or it is refused, and what the message says leads to a new log', async () => {
    await using box = new Box();
    await forked(box, 8);
    await box.keeper?.checkpoint('box.example/export/1');
    await until(isHalted(box));
    await box.stop();
    assert.match(
      await box.refusal(),
      /elsewhere was signed for 9 entries, .* ledger\.head and move both away/,
    );
    box.mirror.note = null;
    box.headFile.note = null;
    assert.equal((await box.start()).origin, 'box.example/export/2');
  });

  for (const [what, note] of [
    ['of another box', () => signedBy(Buffer.alloc(32, 1), 'other.example/export/1')],
    ['of a log that this store has forgotten', () => signedBy(SEED, 'box.example/export/77')],
    ['that is none', () => 'a shopping list'],
  ] as const) {
    it(`a head ${what} stays, and no more is signed`, async () => {
      await using box = new Box();
      const keeper = await box.start();
      await until(() => box.mirror.note !== null);
      const there = note();
      box.mirror.note = there;
      await box.append();
      await keeper.checkpoint(keeper.origin);
      await until(isHalted(box));
      await box.stop();
      assert.equal(box.mirror.note, there);
    });
  }

  it('a head of a log that was left, of more than is admitted, stays; the new log is signed all the same', async () => {
    await using box = new Box();
    await box.start();
    await box.append(2);
    await box.stop();
    box.copy('copy.db');
    await box.start();
    await box.append(4);
    await box.stop();
    const witness = box.mirror.note;
    box.restore('copy.db');
    box.headFile.note = null;
    box.mirror.note = null;
    const keeper = await box.start();
    assert.equal(keeper.origin, 'box.example/export/2');
    await until(() => box.mirror.note !== null);
    box.mirror.note = witness;
    await box.append(20);
    await keeper.checkpoint(keeper.origin);
    await until(() => box.told.some((line) => /9 entries of the log .*no log of it admits/.test(line)));
    await box.stop();
    await box.start();
    await box.append();
    await box.keeper?.checkpoint(keeper.origin);
    await box.stop();
    assert.equal(box.mirror.note, witness, 'nor at a start or a stop');
    assert.equal(box.headFile.size, 2 + 20 + 2);
    assert.ok(!isHalted(box)());
    box.mirror.note = null;
    await box.start();
    await until(() => box.mirror.note === box.headFile.note);
  });
});

/** A head of 40 entries of some log. */
function signedBy(seed: Uint8Array, origin: string): string {
  return new CheckpointSigner(noteSigner(origin, seed), null).sign({ size: 40, root: Buffer.alloc(32, 3) });
}
