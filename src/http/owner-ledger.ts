import { ExportError } from '../export/errors.ts';
import type { LedgerEntryRecord, LedgerLog } from '../export/ledger-store.ts';
import { numberOf, refuseTwice } from './owner-exports.ts';
import { judgeBy } from './schema/judge.ts';
import { LEDGER_QUERY_SCHEMA, LOG_QUERY_SCHEMA, PAGE_ENTRIES } from './schema/owner-schemas.ts';

/** What the owner may see of the ledger. */
export interface LedgerActions {
  logs(): Promise<readonly LedgerLog[]>;
  entries(origin: string, from: number, limit: number): Promise<readonly LedgerEntryRecord[]>;
  /**
   * The newest checkpoint of a log.
   *
   * @throws ExportError `not_found` when there is none
   */
  checkpoint(origin: string): Promise<string>;
  /**
   * The receipt of how an export ended.
   *
   * @throws ExportError `not_found` when there is none, saying why
   */
  receipt(exportId: string): Promise<string>;
}

type Query = Readonly<Record<string, unknown>>;

const judgeLog = judgeBy(LOG_QUERY_SCHEMA, { member: 'parameter' });
const judgeEntries = judgeBy(LEDGER_QUERY_SCHEMA, { member: 'parameter' });

interface EntryParameters {
  readonly log?: string;
  readonly from?: number;
  readonly limit?: number;
}

export async function ledgerLogs(ledger: LedgerActions): Promise<object> {
  const items = (await ledger.logs()).map(({ origin, verifierKey, size }) => ({
    origin,
    verifier_key: verifierKey,
    size,
  }));
  return { items, next: null };
}

/**
 * A page of a log, in its order. `next` is the number to go on from.
 *
 * @throws ExportError `invalid_request`, naming the parameter; `not_found`
 */
export async function ledgerPage(ledger: LedgerActions, query: Query): Promise<object> {
  refuseTwice(query);
  const parameters = { ...query };
  for (const name of ['from', 'limit']) if (name in query) parameters[name] = numberOf(query[name]);
  judgeEntries(parameters);
  const { log, from = 0, limit = PAGE_ENTRIES } = parameters as EntryParameters;
  const { origin } = await findLog(ledger, log);
  // One more tells whether there is another page.
  const entries = await ledger.entries(origin, from, limit + 1);
  const next = entries.length > limit ? entries[limit]?.index : undefined;
  return { items: entries.slice(0, limit).map(wireEntry), next: next === undefined ? null : String(next) };
}

/** @throws ExportError `invalid_request`, naming the parameter; `not_found` */
export async function ledgerCheckpoint(ledger: LedgerActions, query: Query): Promise<string> {
  refuseTwice(query);
  judgeLog(query);
  const { origin } = await findLog(ledger, (query as { log?: string }).log);
  return ledger.checkpoint(origin);
}

/** The log of this name; without a name the only one. */
async function findLog(ledger: LedgerActions, name: string | undefined): Promise<LedgerLog> {
  const logs = await ledger.logs();
  const found = name === undefined ? logs : logs.filter(({ origin }) => origin === name);
  const [log, ...others] = found;
  if (log === undefined) throw new ExportError('not_found', 'There is no such log.');
  if (others.length === 0) return log;
  throw new ExportError(
    'invalid_request',
    `"log" is missing, and there are ${found.length} logs: GET /owner/ledger/logs lists them.`,
  );
}

function wireEntry({ index, text, leafHash }: LedgerEntryRecord): object {
  const { buffer, byteOffset, byteLength } = leafHash;
  return { index, entry: text, leaf_hash: Buffer.from(buffer, byteOffset, byteLength).toString('base64') };
}
