/**
 * What the ledger costs: appending, keeping, proving, verifying.
 *
 *   node bench/ledger.ts [--entries 1000000] [--batch 64] [--synchronous FULL|OFF]
 *
 * Everything is measured side by side in one run, in turns of a few thousand entries, against the SHA-256 of the same
 * bytes alone and against the same rows without the ledger's hashes. The times are CPU times of the thread, so that what
 * else the machine does is not in them; nor is waiting for the disk, which is the same with and without a ledger.
 */
import { hash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CheckpointSigner } from '../src/ledger/checkpoint.ts';
import { type EventText, eventText, type LedgerEvent } from '../src/ledger/entry.ts';
import { Frontier } from '../src/ledger/frontier.ts';
import { type KeptEntry, LedgerVerifier } from '../src/ledger/ledger-verifier.ts';
import { type AppendedEntry, LogAppender } from '../src/ledger/log-appender.ts';
import { noteSigner, parseVerifierKey } from '../src/ledger/note-key.ts';
import { consistencyProof, inclusionProof } from '../src/ledger/proof.ts';
import { printReceipt, verifyReceipt } from '../src/ledger/receipt.ts';
import { Salts } from '../src/ledger/salts.ts';
import { type LeafRange, rangesOf, StoredHashes } from '../src/ledger/stored-hashes.ts';
import { equalHashes, leafHash } from '../src/ledger/tree-hash.ts';
import { LedgerTables } from './ledger-tables.ts';

const TURN = 4_096;
const PROOFS = 2_000;
const ORIGIN = 'box.example/export/3f9c51d07a2be884';
const START = Date.UTC(2026, 10, 24);

const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    batch: { type: 'string', default: '64' },
    synchronous: { type: 'string', default: 'FULL' },
  },
});
const entries = Number(values.entries);
const batch = Number(values.batch);
const synchronous = values.synchronous === 'OFF' ? 'OFF' : 'FULL';

/** Every export makes three entries: taken in, tried, ended. */
function event(n: number): LedgerEvent {
  const number = Math.floor(n / 3);
  const id = `019ab3f2-7c00-7000-8000-${number.toString(16).padStart(12, '0')}`;
  const lane = {
    export: id,
    app: `app-${number % 20}`,
    destination: `https://collector-${number % 50}.example/v1/in`,
  };
  const bytes = 500 + (number % 2_000);
  const digest = 'q1vVb0mG0bq0eZx1pYt0yJx2o3uXv5mQk8w9s0d1f2g';
  const exchange = { address: '93.184.215.14', tls_fingerprint: '5e'.repeat(32), status: 200, error: null };
  const at = new Date(START + n).toISOString();
  switch (n % 3) {
    case 0:
      return { kind: 'accepted', ...lane, bytes, digest, peer: '10.0.3.7' };
    case 1:
      return { kind: 'attempt', ...lane, number: 1, started_at: at, bytes, ...exchange };
    default:
      return {
        kind: 'outcome',
        ...lane,
        state: 'delivered',
        bytes,
        digest,
        accepted_at: at,
        attempts: 1,
        ...exchange,
      };
  }
}

/** CPU time of this thread, in µs. */
function cpuTime(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

/** Times of one kind of work, in µs for each entry. */
class Timings {
  readonly #times = new Map<string, number[]>();

  measure(name: string, count: number, work: () => void): void {
    const begun = cpuTime();
    work();
    const us = (cpuTime() - begun) / count;
    const times = this.#times.get(name);
    if (times === undefined) this.#times.set(name, [us]);
    else times.push(us);
  }

  quantile(name: string, part: number): number {
    const sorted = (this.#times.get(name) ?? []).toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Number.NaN;
  }

  print(base: string): void {
    for (const name of this.#times.keys()) {
      const median = this.quantile(name, 0.5);
      const ratio = (median / this.quantile(base, 0.5)).toFixed(2);
      console.log(`  ${name.padEnd(58)} ${median.toFixed(2).padStart(8)} µs ${ratio.padStart(7)}`);
    }
  }
}

/** In transactions of `batch` entries. */
function inBatches(
  tables: LedgerTables,
  appended: readonly AppendedEntry[],
  add: (one: AppendedEntry) => void,
): void {
  for (let from = 0; from < appended.length; from += batch) {
    const some = appended.slice(from, from + batch);
    tables.transact(() => some.forEach(add));
  }
}

const BARE = 'SHA-256 of the same bytes alone';

function appendAll(tables: LedgerTables): { appender: LogAppender; textBytes: number } {
  const timings = new Timings();
  const appender = new LogAppender(new Frontier(), new Salts());
  const frontier = new Frontier();
  let textBytes = 0;
  for (let from = 0; from < entries; from += TURN) {
    const count = Math.min(TURN, entries - from);
    const events = Array.from({ length: count }, (_, n) => event(from + n));
    let appended: AppendedEntry[] = [];
    let texts: EventText[] = [];
    timings.measure('event checked and written (before the transaction)', count, () => {
      texts = events.map(eventText);
    });
    timings.measure('appended (place, time, salt, text, hashes)', count, () => {
      appended = texts.map((one, n) => appender.append(one, START + from + n));
      appender.commit();
    });
    const buffers = appended.map(({ text }) => Buffer.from(text));
    timings.measure(BARE, count, () => {
      for (const buffer of buffers) hash('sha256', buffer, 'latin1');
    });
    timings.measure('leaf and node hashes of the same texts', count, () => {
      for (const { text } of appended) frontier.append(leafHash(text));
    });
    timings.measure('SQLite: texts alone', count, () =>
      inBatches(tables, appended, (one) => tables.addText(one)),
    );
    timings.measure('SQLite: texts, leaf hashes, stored nodes', count, () =>
      inBatches(tables, appended, (one) => tables.add(one)),
    );
    textBytes += buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    tables.db.exec(`DELETE FROM texts WHERE entry < ${from - 100_000}`);
  }
  console.log(`\nappend, for each entry (medians of turns of ${TURN}; ratio to the SHA-256 alone)`);
  timings.print(BARE);
  return { appender, textBytes };
}

function printSizes(tables: LedgerTables, textBytes: number): void {
  const per = (bytes: number) => (bytes / entries).toFixed(1);
  console.log('\nbytes for each entry');
  console.log(`  the text itself                     ${per(textBytes)}`);
  console.log(`  table of entries (text, leaf hash)  ${per(tables.bytesOf('ledger_entries'))}`);
  console.log(`  table of nodes                      ${per(tables.bytesOf('ledger_nodes'))}`);
}

function prove(tables: LedgerTables, subtrees: readonly LeafRange[]): Uint8Array[] {
  const stored = readHashes(tables, subtrees);
  return subtrees.map((leaves) => stored.hashOf(leaves));
}

function readHashes(tables: LedgerTables, subtrees: readonly LeafRange[]): StoredHashes {
  return new StoredHashes(rangesOf(subtrees).map((range) => tables.read(range)));
}

function proveAll(tables: LedgerTables, { head }: LogAppender): void {
  const timings = new Timings();
  const signer = noteSigner(ORIGIN, Buffer.alloc(32, 3));
  const verifiers = [parseVerifierKey(signer.verifierKey)];
  const signed = new CheckpointSigner(signer, null);
  const findText = tables.db.prepare('SELECT text FROM ledger_entries WHERE entry = ?');
  const places = Array.from({ length: PROOFS }, (_, n) => (n * 7_919_317) % entries);
  // All of a kind at once: CPU times are told in steps of some milliseconds.
  const each = <T>(name: string, work: (index: number) => T): T[] => {
    let results: T[] = [];
    timings.measure(name, PROOFS, () => {
      results = places.map(work);
    });
    return results;
  };
  const proofs = each('inclusion proof', (index) => prove(tables, inclusionProof(index, head.size)));
  const { ranges, rows } = tables.reads;
  const [checkpoint = ''] = each('checkpoint signed', () => signed.sign(head));
  const receipts = places.map((index, n) => {
    return printReceipt({
      entry: String(findText.get(index)?.text),
      index,
      proof: proofs[n] ?? [],
      checkpoint,
    });
  });
  each('consistency proof', (index) => prove(tables, consistencyProof(index + 1, head.size)));
  each('root at an earlier size', (index) => prove(tables, [{ start: 0, end: index + 1 }]));
  const left = receipts.values();
  each('receipt verified, its signature included', () => verifyReceipt(left.next().value ?? '', verifiers));
  console.log(`\nproofs from SQLite, in a log of ${entries} (means of ${PROOFS}; ratio to a signature)`);
  timings.print('checkpoint signed');
  console.log(
    `  an inclusion proof makes ${ranges / PROOFS} reads, of ${(rows / PROOFS).toFixed(1)} rows in all`,
  );
}

function verifyAll(tables: LedgerTables, { head }: LogAppender, textBytes: number): void {
  const verifier = new LedgerVerifier({
    heads: [{ ...head, where: 'memory' }],
    storedNode: (level, index) => tables.node(level, index),
  });
  const seconds = { read: 0, bare: 0, verify: 0 };
  const clock = (part: keyof typeof seconds, work: () => void): void => {
    const begun = cpuTime();
    work();
    seconds[part] += (cpuTime() - begun) / 1e6;
  };
  let turn: KeptEntry[] = [];
  const rows = tables.entries();
  for (let isDone = false; !isDone; ) {
    turn = [];
    clock('read', () => {
      while (turn.length < TURN && !isDone) {
        const { value, done } = rows.next();
        if (done) isDone = true;
        else turn.push(value as unknown as KeptEntry);
      }
    });
    clock('bare', () => {
      for (const { text } of turn) hash('sha256', text ?? '', 'latin1');
    });
    clock('verify', () => {
      for (const entry of turn) verifier.add(entry);
    });
  }
  const { flaw, covered } = verifier.finish();
  if (flaw !== null || covered !== entries) throw new Error('It does not hold.');
  console.log(`\nverification of ${entries} entries, ${(textBytes / 2 ** 20).toFixed(0)} MiB of text`);
  for (const [part, time] of Object.entries(seconds))
    console.log(`  ${part.padEnd(8)} ${time.toFixed(2)} s, ${Math.round(entries / time)} a second`);
}

const directory = mkdtempSync(join(tmpdir(), 'ledger-bench-'));
try {
  using tables = new LedgerTables(join(directory, 'ledger.db'), synchronous);
  console.log(
    `${entries} entries, ${batch} in a transaction, synchronous = ${synchronous}, Node ${process.version}`,
  );
  const { appender, textBytes } = appendAll(tables);
  printSizes(tables, textBytes);
  proveAll(tables, appender);
  verifyAll(tables, appender, textBytes);
  const all = { start: 0, end: entries };
  const restored = new Frontier(entries, readHashes(tables, [all]).peaksOf(all));
  if (!equalHashes(restored.root(), appender.head.root)) throw new Error('Another log was read back.');
  console.log(
    `\na start reads ${rangesOf([all]).reduce((sum, { count }) => sum + count, 0)} hashes to go on appending`,
  );
} finally {
  rmSync(directory, { recursive: true });
}
