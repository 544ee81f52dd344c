import { headFileIn } from '../../src/checkpoints/places.ts';
import type { Config } from '../../src/config.ts';
import { readUnverifiedCheckpoint } from '../../src/ledger/checkpoint.ts';
import { openLedgerFile } from '../../src/store/sqlite/ledger-file.ts';
import { readPlaces } from './outside.ts';
import type { LedgerSource } from './source.ts';

/**
 * The ledger in the file of a store, at one moment, and the checkpoints that are kept in it and right beside it.
 *
 * @throws Error when there is none
 */
export async function openStoreSource({
  store,
  dataDir,
}: Pick<Config, 'store' | 'dataDir'>): Promise<LedgerSource> {
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
      const beside = await readPlaces([headFileIn(dataDir)]);
      return [...inStore, ...beside.filter(({ note }) => isOf(note, origin))];
    },
    storedNode: (origin, level, index) => reader.node(ids.get(origin) ?? 0, level, index),
    async [Symbol.asyncDispose]() {
      reader[Symbol.dispose]();
    },
  };
}

function isOf(note: string, origin: string): boolean {
  try {
    return readUnverifiedCheckpoint(note).origin === origin;
  } catch {
    // Nobody can say of which log it is: whoever checks it says that it is none.
    return true;
  }
}
