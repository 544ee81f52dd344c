import { ExportClientError } from '../../client/index.ts';
import type { LedgerEntryRecord } from '../../src/export/ledger-store.ts';
import { type OwnerCall, ownerClient } from '../owner/owner-call.ts';
import { readUrl } from '../service-access.ts';
import type { LedgerSource, SourceLog } from './source.ts';

/** Of the service. */
const PAGE_MAX = 500;

/** The ledger of a running service, over its owner's routes. A token that is made here lives for a minute, and is made anew. */
export function openServiceSource(call: OwnerCall): LedgerSource {
  const url = readUrl(call.given, call.env);
  const client = ownerClient({ method: 'GET', path: '/owner/ledger*' }, call);
  return {
    name: `the service at ${url}`,
    async logs(): Promise<readonly SourceLog[]> {
      const logs = await client.ledgerLogs();
      return logs.map(({ origin, verifier_key: verifierKey, size }) => ({ origin, verifierKey, size }));
    },
    async *entries(origin, from): AsyncGenerator<LedgerEntryRecord> {
      const entries = client.ledgerEntries({ log: origin, from, limit: PAGE_MAX });
      for await (const { index, entry, leaf_hash: hash } of entries)
        yield { index, text: entry, leafHash: Buffer.from(hash, 'base64') };
    },
    async checkpoints(origin) {
      try {
        return [{ where: url, note: await client.ledgerCheckpoint({ log: origin }) }];
      } catch (error) {
        if (error instanceof ExportClientError && error.code === 'not_found') return [];
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {},
  };
}
