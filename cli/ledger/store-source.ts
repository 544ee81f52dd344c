import { CheckpointFile, headFileIn } from '../../src/checkpoints/places.ts';
import type { Config } from '../../src/config.ts';
import { readUnverifiedCheckpoint } from '../../src/ledger/checkpoint.ts';
import type { OutsideHead } from '../../src/ledger/continuation.ts';
import { openLedgerFile } from '../../src/store/sqlite/ledger-file.ts';
import type { LedgerSource } from './source.ts';

/**
 * The ledger in the file of a store, at one moment, and the checkpoints that are kept in it and beside it.
 *
 * @throws Error when there is none
 */
export async function openStoreSource({
  store,
  dataDir,
  checkpointTo,
}: Pick<Config, 'store' | 'dataDir' | 'checkpointTo'>): Promise<LedgerSource> {
  const reader = openLedgerFile(store.path);
  const logs = reader.logs();
  const idOf = (origin: string): number => reader.log(origin).id;
  const ids = new Map(logs.map(({ origin, id }) => [origin, id]));
  return {
    name: `the store ${store.path}`,
    logs: async () => logs,
    async *entries(origin, from) {
      for (const entry of reader.each(idOf(origin), from)) yield entry;
    },
    async checkpoints(origin) {
      const last = reader.log(origin).checkpoint;
      const kept = new Set([...reader.checkpoints(idOf(origin)), ...(last === null ? [] : [last])]);
      const inStore = [...kept].map((note) => ({ where: 'the store', note }));
      const files = checkpointTo.flatMap((target) => (target.kind === 'file' ? target.path : []));
      return [...inStore, ...(await readFiles([headFileIn(dataDir), ...files], origin))];
    },
    storedNode: (origin, level, index) => reader.node(ids.get(origin) ?? 0, level, index),
    async [Symbol.asyncDispose]() {
      reader[Symbol.dispose]();
    },
  };
}

/** Checkpoints of this log in files; a file that holds none is told of by whoever checks it. */
async function readFiles(paths: readonly string[], origin: string): Promise<OutsideHead[]> {
  const heads = await Promise.all(
    paths.map(async (path) => ({ where: path, note: await new CheckpointFile(path).read() })),
  );
  return heads.filter((head): head is OutsideHead => head.note !== null && isOf(head.note, origin));
}

function isOf(note: string, origin: string): boolean {
  try {
    return readUnverifiedCheckpoint(note).origin === origin;
  } catch {
    // Nobody can say of which log it is: whoever checks it says that it is none.
    return true;
  }
}
