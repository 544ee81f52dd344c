import type { LedgerEntryRecord } from '../../src/export/ledger-store.ts';
import { type OwnerCall, ownerToken } from '../owner/owner-call.ts';
import { fetchForServices, readUrl } from '../service-access.ts';
import type { LedgerSource, SourceLog } from './source.ts';

/** Of the service. */
const PAGE_MAX = 500;
const ANSWER_MS_MAX = 30_000;
const LEDGER = '/owner/ledger';

interface WireLog {
  readonly origin: string;
  readonly verifier_key: string;
  readonly size: number;
}

interface WireEntry {
  readonly index: number;
  readonly entry: string | null;
  readonly leaf_hash: string;
}

interface WirePage<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}

/** The ledger of a running service, over its owner's routes. */
export function openServiceSource(call: OwnerCall): LedgerSource {
  const asker = new Asker(call);
  return {
    name: `the service at ${asker.url}`,
    async logs(): Promise<readonly SourceLog[]> {
      const { items } = await asker.json<WirePage<WireLog>>(`${LEDGER}/logs`);
      return items.map(({ origin, verifier_key: verifierKey, size }) => ({ origin, verifierKey, size }));
    },
    async *entries(origin, from): AsyncGenerator<LedgerEntryRecord> {
      let next: string | null = String(from);
      while (next !== null) {
        const query = new URLSearchParams({ log: origin, from: next, limit: String(PAGE_MAX) });
        const page: WirePage<WireEntry> = await asker.json(`${LEDGER}?${query}`);
        for (const { index, entry, leaf_hash: hash } of page.items)
          yield { index, text: entry, leafHash: Buffer.from(hash, 'base64') };
        next = page.next;
      }
    },
    async checkpoints(origin) {
      const note = await asker.ask(`${LEDGER}/checkpoint?${new URLSearchParams({ log: origin })}`);
      return note === null ? [] : [{ where: asker.url, note }];
    },
    async [Symbol.asyncDispose]() {},
  };
}

/** Asks with an owner's token; one that is made here lives for a minute, and is made anew. */
class Asker {
  readonly url: string;
  readonly #call: OwnerCall;
  readonly #fetch: typeof fetch;
  #token: string | null = null;

  constructor(call: OwnerCall) {
    this.#call = call;
    this.url = readUrl(call.given, call.env);
    this.#fetch = fetchForServices(call.env);
  }

  async json<T>(path: string): Promise<T> {
    const text = await this.ask(path);
    if (text === null) throw new Error(`The service at ${this.url} does not know ${path}.`);
    return JSON.parse(text) as T;
  }

  /** The answer's body; null when there is no such thing. */
  async ask(path: string): Promise<string | null> {
    let response = await this.#get(path);
    if (response.status === 401) {
      this.#token = null;
      response = await this.#get(path);
    }
    const body = await response.text();
    if (response.ok) return body;
    if (response.status === 404) return null;
    throw new Error(`The service at ${this.url} answered ${response.status}: ${detailOf(body)}`);
  }

  async #get(path: string): Promise<Response> {
    this.#token ??= await ownerToken({ method: 'GET', path: `${LEDGER}*` }, this.#call);
    return this.#fetch(this.url + path, {
      headers: { 'x-api-key': this.#token },
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    }).catch((cause: Error) => {
      const reason = cause.cause instanceof Error ? cause.cause.message : cause.message;
      throw new Error(`No service answers at ${this.url}: ${reason}.`, { cause });
    });
  }
}

function detailOf(body: string): string {
  try {
    return String((JSON.parse(body) as { detail?: unknown }).detail ?? body);
  } catch {
    return body.slice(0, 200);
  }
}
