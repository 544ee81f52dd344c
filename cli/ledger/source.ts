import type { LedgerEntryRecord } from '../../src/export/ledger-store.ts';
import type { OutsideHead } from '../../src/ledger/continuation.ts';
import type { TreeHash } from '../../src/ledger/tree-hash.ts';

/** Where a ledger is read from: the file of a store, or a running service. */
export interface LedgerSource extends AsyncDisposable {
  /** What it is called in messages. */
  readonly name: string;
  /** In the order in which they began. */
  logs(): Promise<readonly SourceLog[]>;
  /** Entries of a log in its order, from number `from` on. */
  entries(origin: string, from: number): AsyncIterable<LedgerEntryRecord>;
  /** Checkpoints of a log that are at hand; nobody has checked their signatures. */
  checkpoints(origin: string): Promise<readonly OutsideHead[]>;
  /** The hash that is kept of a complete subtree; left out where nobody tells. */
  storedNode?(origin: string, level: number, index: number): TreeHash | null;
}

export interface SourceLog {
  readonly origin: string;
  readonly verifierKey: string;
  readonly size: number;
}
