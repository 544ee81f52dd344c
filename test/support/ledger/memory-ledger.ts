import { eventText, type LedgerEvent } from '../../../src/ledger/entry.ts';
import { Frontier } from '../../../src/ledger/frontier.ts';
import { LedgerVerifier, type Successor, type Verification } from '../../../src/ledger/ledger-verifier.ts';
import { type AppendedEntry, LogAppender } from '../../../src/ledger/log-appender.ts';
import { consistencyProof, inclusionProof, type TreeHead } from '../../../src/ledger/proof.ts';
import { Salts } from '../../../src/ledger/salts.ts';
import {
  type HashRange,
  type LeafRange,
  type ReadHashes,
  rangesOf,
  StoredHashes,
} from '../../../src/ledger/stored-hashes.ts';
import type { TreeHash } from '../../../src/ledger/tree-hash.ts';

/** An entry's row, which may be tampered with. */
export interface Row {
  index: number;
  text: string | null;
  leafHash: TreeHash;
}

/** 2026-11-24, 12:00 UTC. */
export const NOON = Date.UTC(2026, 10, 24, 12);

/** A log as a store keeps it: rows of entries, and the hashes of subtrees at stored levels. */
export class MemoryLedger {
  readonly rows: Row[] = [];
  readonly nodes = new Map<string, TreeHash>();
  /** How many ranges and hashes were read. */
  readonly reads = { ranges: 0, hashes: 0 };
  appender: LogAppender;

  constructor(salts = new Salts(countingBytes())) {
    this.appender = new LogAppender(new Frontier(), salts);
  }

  get head(): TreeHead {
    return this.appender.head;
  }

  /** Appends and commits. */
  append(event: LedgerEvent, now = NOON): AppendedEntry {
    const entry = this.appender.append(eventText(event), now);
    this.appender.commit();
    this.rows.push({ index: entry.index, text: entry.text, leafHash: entry.leafHash });
    for (const { level, index, hash } of entry.nodes) this.nodes.set(`${level}/${index}`, hash);
    return entry;
  }

  read(range: HashRange): ReadHashes {
    const { level, from, count } = range;
    this.reads.ranges += 1;
    this.reads.hashes += count;
    const places = Array.from({ length: count }, (_, offset) => from + offset);
    const hashes = places.map((index) =>
      level === 0 ? this.rows[index]?.leafHash : this.node(level, index),
    );
    return { range, hashes: hashes.filter((hash) => hash !== null && hash !== undefined) };
  }

  node(level: number, index: number): TreeHash | null {
    return this.nodes.get(`${level}/${index}`) ?? null;
  }

  storedHashes(subtrees: readonly LeafRange[]): StoredHashes {
    return new StoredHashes(rangesOf(subtrees).map((range) => this.read(range)));
  }

  rootAt(size: number): TreeHash {
    const all = { start: 0, end: size };
    return this.storedHashes([all]).hashOf(all);
  }

  hashesOf(subtrees: readonly LeafRange[]): TreeHash[] {
    const stored = this.storedHashes(subtrees);
    return subtrees.map((leaves) => stored.hashOf(leaves));
  }

  proveInclusion(index: number, size = this.head.size): TreeHash[] {
    return this.hashesOf(inclusionProof(index, size));
  }

  proveConsistency(oldSize: number, size = this.head.size): TreeHash[] {
    return this.hashesOf(consistencyProof(oldSize, size));
  }

  /** Checks the rows, with the stored nodes or without, against heads. */
  verify(heads: readonly TreeHead[], withNodes = true, successor?: Successor): Verification {
    const verifier = new LedgerVerifier({
      heads: heads.map((head) => ({ ...head, where: 'a safe place' })),
      ...(withNodes && { storedNode: (level, index) => this.node(level, index) }),
      ...(successor !== undefined && { successor }),
    });
    for (const row of this.rows) verifier.add(row);
    return verifier.finish();
  }
}

/** "Random" bytes that never repeat. */
export function countingBytes(): (bytes: Uint8Array) => void {
  let count = 0;
  return (bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + 4 <= bytes.byteLength; at += 4) {
      count += 1;
      view.setUint32(at, count);
    }
  };
}

/** An export's id that is like a UUIDv7. */
export function exportId(number: number): string {
  return `019ab3f2-7c00-7000-8000-${number.toString(16).padStart(12, '0')}`;
}
