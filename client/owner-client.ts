import { type Environment, type ReadFile, readEnvironment } from './environment.ts';
import { ExportClientError } from './errors.ts';
import { readEvents } from './event-connection.ts';
import type { ServerEvent } from './event-source.ts';
import { serviceUrl } from './exchange.ts';
import type { RequestOptions } from './export-client.ts';
import { mayPass, type RepeatPolicy } from './repeat.ts';
import { ServiceCaller, type ServiceRequest } from './service-caller.ts';
import { unexpectedAnswer } from './status.ts';
import type { TokenSource } from './token.ts';
import type {
  WireLedgerEntry,
  WireLedgerLog,
  WireLink,
  WireNewRule,
  WireOwnedExport,
  WirePage,
  WireRootKeyRefresh,
  WireRule,
  WireSigningKeys,
  WireState,
  WireSummary,
} from './wire.ts';

export interface OwnerClientOptions {
  /** The service's address, such as `https://export-service:8080`. */
  url: string | URL;
  /** An owner's token: one whose path begins with `/owner/`. Or a function that gets it. */
  token: TokenSource;
  /** Default the global one. */
  fetch?: typeof fetch;
  /** How long an answer may take, in milliseconds. Default 30,000. */
  requestTimeoutMs?: number;
  /** How questions that fail for the moment are repeated. Changes are not: nobody could say how often they were made. */
  repeat?: Partial<RepeatPolicy>;
  /** After how long without a sign of life a stream of events is connected anew, in milliseconds. Default 45,000. */
  eventSilenceMsMax?: number;
}

/** Which exports are listed. */
export interface ExportFilter {
  /** Only those of this macaroon identifier. */
  app?: string | undefined;
  /** Only those to this URL, or to this origin. */
  destination?: string | undefined;
  state?: WireState | undefined;
}

export interface PageOptions extends ExportFilter, RequestOptions {
  /** `next` of the page before; left out, the newest. */
  before?: string | undefined;
  /** 1 to 500, default 50. */
  limit?: number | undefined;
}

export interface Period {
  /** Accepted then or later. */
  since?: Date | string | undefined;
  /** Accepted before. */
  until?: Date | string | undefined;
}

/** Which log of the ledger is meant. */
export interface LedgerLogOptions extends RequestOptions {
  /** Its origin; may be left out while there is one log only. */
  log?: string | undefined;
}

export interface LedgerEntriesOptions extends LedgerLogOptions {
  /** The first entry; default 0. */
  from?: number | undefined;
  /** How many are asked for at a time: 1 to 500, default 50. */
  limit?: number | undefined;
}

export interface EventOptions extends RequestOptions {
  /** `id` of the last event that was read; left out, what happens from now on. */
  lastEventId?: string | undefined;
}

/** What happened. */
export type OwnerEvent =
  /** An export is new, or has changed. */
  | { id: string; type: 'export'; export: WireOwnedExport }
  | { id: string; type: 'rule'; change: 'added' | 'removed'; rule: WireRule }
  /** Events were missed that nobody knows any more: read everything anew. */
  | { id: string; type: 'reset' };

const EVENT_SILENCE_MS_DEFAULT = 45_000;

/**
 * What the owner of the box sees and decides. It keeps no connection and nothing in the background, so it needs no
 * closing. What it returns are the shapes of the service's own JSON.
 *
 * Every method throws `ExportClientError` when the service refuses, `ExportConnectionError` when no answer comes, and the
 * signal's reason when its signal aborts.
 */
export class OwnerClient {
  readonly #url: string;
  readonly #caller: ServiceCaller;
  readonly #eventSilenceMsMax: number;

  constructor(options: OwnerClientOptions) {
    this.#url = serviceUrl(options.url, '/owner');
    this.#caller = new ServiceCaller(options);
    this.#eventSilenceMsMax = options.eventSilenceMsMax ?? EVENT_SILENCE_MS_DEFAULT;
  }

  /**
   * A client with the address and the token that the environment has, as `ExportClient.fromEnvironment` finds them.
   *
   * @throws TypeError when there is no token
   */
  static fromEnvironment(
    options: Partial<OwnerClientOptions> = {},
    environment?: Environment,
    readFile?: ReadFile,
  ): OwnerClient {
    const { url, token } = options;
    if (url !== undefined && token !== undefined) return new OwnerClient({ ...options, url, token });
    return new OwnerClient({ ...readEnvironment(environment, readFile, token), ...options });
  }

  /** One page of exports, the newest first. */
  async page({ signal, ...query }: PageOptions = {}): Promise<WirePage<WireOwnedExport>> {
    return readPage(await this.#get(`/exports${queryText({ ...query })}`, signal));
  }

  /** Every export, the newest first, page after page as they are read. */
  async *exports({ signal, ...query }: PageOptions = {}): AsyncGenerator<WireOwnedExport, void, void> {
    let before = query.before;
    do {
      const page = await this.page({ ...query, before, signal });
      yield* page.items;
      before = page.next ?? undefined;
    } while (before !== undefined);
  }

  /** One export, with its attempts. */
  async get(id: string, { signal }: RequestOptions = {}): Promise<WireOwnedExport> {
    return readExport(await this.#get(exportPath(id), signal));
  }

  /** Takes an export back, at once; one that is being sent just now ends with its attempt. */
  async cancel(id: string, { signal }: RequestOptions = {}): Promise<WireOwnedExport> {
    return readExport(await this.#change('POST', `${exportPath(id)}/cancel`, {}, signal));
  }

  /** Delivers an export once more, as a new one, while its data is kept (`--keep-payloads`). */
  async redeliver(id: string, { signal }: RequestOptions = {}): Promise<WireOwnedExport> {
    return readExport(await this.#change('POST', `${exportPath(id)}/redeliver`, {}, signal));
  }

  /** What went from each app to each destination. */
  async summary({ since, until, signal }: Period & RequestOptions = {}): Promise<WireSummary[]> {
    const query = queryText({ since: instant(since), until: instant(until) });
    return readPage<WireSummary>(await this.#get(`/summary${query}`, signal)).items;
  }

  /** All rules, the oldest first. */
  async rules({ signal }: RequestOptions = {}): Promise<WireRule[]> {
    return readPage<WireRule>(await this.#get('/rules', signal)).items;
  }

  /** Makes a rule. When it resolves the rule is in force. */
  async addRule(rule: WireNewRule, { signal }: RequestOptions = {}): Promise<WireRule> {
    return (await this.#change('POST', '/rules', rule, signal)) as WireRule;
  }

  /** Takes a rule away; what it held leaves. */
  async removeRule(id: string, { signal }: RequestOptions = {}): Promise<void> {
    await this.#change('DELETE', `/rules/${encodeURIComponent(id)}`, {}, signal);
  }

  /** Has the service ask its arbiter for a new root key; `dropOld` ends every token in the field. */
  async refreshRootKey({
    dropOld = false,
    signal,
  }: { dropOld?: boolean } & RequestOptions = {}): Promise<WireRootKeyRefresh> {
    const body = { drop_old: dropOld };
    return (await this.#change('POST', '/root-key/refresh', body, signal)) as WireRootKeyRefresh;
  }

  /** Has deliveries signed with a new key; the old one stays published for a day. */
  async rotateSigningKey({ signal }: RequestOptions = {}): Promise<WireSigningKeys> {
    return (await this.#change('POST', '/signing-key/rotate', {}, signal)) as WireSigningKeys;
  }

  /** Makes a one-time code for the owner's page: `URL/ui/#code=CODE`, good for 10 minutes. */
  async createLink({ signal }: RequestOptions = {}): Promise<WireLink> {
    return (await this.#change('POST', '/links', {}, signal)) as WireLink;
  }

  /** Every log of the ledger, in the order in which they began. */
  async ledgerLogs({ signal }: RequestOptions = {}): Promise<WireLedgerLog[]> {
    return readPage<WireLedgerLog>(await this.#get('/ledger/logs', signal)).items;
  }

  /** The entries of a log in its order, page after page as they are read. */
  async *ledgerEntries({
    log,
    from = 0,
    limit,
    signal,
  }: LedgerEntriesOptions = {}): AsyncGenerator<WireLedgerEntry, void, void> {
    let next: string | null = String(from);
    while (next !== null) {
      const query = queryText({ log, from: next, limit });
      const page: WirePage<WireLedgerEntry> = readPage(await this.#get(`/ledger${query}`, signal));
      yield* page.items;
      next = page.next;
    }
  }

  /** The newest checkpoint of a log: a signed note (C2SP tlog-checkpoint). */
  async ledgerCheckpoint({ log, signal }: LedgerLogOptions = {}): Promise<string> {
    return this.#text(`/ledger/checkpoint${queryText({ log })}`, signal);
  }

  /** The proof of how an export ended: a C2SP tlog-proof file. */
  async receipt(id: string, { signal }: RequestOptions = {}): Promise<string> {
    return this.#text(`${exportPath(id)}/receipt`, signal);
  }

  /**
   * What happens, as it happens, until the signal aborts or the loop is left. A connection that is lost is made again, and
   * goes on after the last event; a `reset` says where that was not possible.
   */
  async *events({ lastEventId = '', signal }: EventOptions = {}): AsyncGenerator<OwnerEvent, void, void> {
    const { policy } = this.#caller;
    let place = lastEventId;
    let failures = 0;
    for (;;) {
      let waitMs = 0;
      try {
        for await (const event of this.#connection(place, signal, (now) => {
          place = now;
          failures = 0;
        })) {
          const read = readEvent(event);
          if (read !== null) yield read;
        }
      } catch (error) {
        failures += 1;
        if (!mayPass(error) || failures >= policy.triesMax) throw error;
        waitMs = error instanceof ExportClientError ? (error.retryAfterSeconds ?? 0) * 1_000 : 0;
      }
      await policy.sleep(Math.max(waitMs, policy.backoffMs(Math.max(failures, 1))), signal);
    }
  }

  /** A token that is refused before anything was read is renewed, once. */
  async *#connection(
    lastId: string,
    signal: AbortSignal | undefined,
    onPlace: (lastId: string) => void,
  ): AsyncGenerator<ServerEvent, void, void> {
    const open = (token: string) =>
      readEvents({
        fetch: this.#caller.fetch,
        url: `${this.#url}/events`,
        token,
        lastId,
        silenceMsMax: this.#eventSilenceMsMax,
        signal,
        onPlace,
      });
    const { first, events } = await this.#caller.withToken(async (token) => {
      const events = open(token);
      return { first: await events.next(), events };
    });
    try {
      if (first.done) return;
      yield first.value;
      yield* events;
    } finally {
      await events.return();
    }
  }

  #get(path: string, signal: AbortSignal | undefined): Promise<unknown> {
    return this.#caller.call({ url: this.#url + path, method: 'GET', signal });
  }

  #text(path: string, signal: AbortSignal | undefined): Promise<string> {
    return this.#caller.text({ url: this.#url + path, method: 'GET', signal });
  }

  #change(
    method: 'POST' | 'DELETE',
    path: string,
    body: object,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const request: ServiceRequest = { url: this.#url + path, method, body: JSON.stringify(body), signal };
    return this.#caller.callOnce(request);
  }
}

function exportPath(id: string): string {
  if (id === '') throw new TypeError('The id of an export is a non-empty string.');
  return `/exports/${encodeURIComponent(id)}`;
}

function queryText(query: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(query).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
}

function instant(time: Date | string | undefined): string | undefined {
  return time instanceof Date ? time.toISOString() : time;
}

function readPage<Item>(answer: unknown): WirePage<Item> {
  if (!Array.isArray((answer as Partial<WirePage<Item>> | null)?.items)) {
    throw unexpectedAnswer('it is no page of a list');
  }
  return answer as WirePage<Item>;
}

function readExport(answer: unknown): WireOwnedExport {
  if (typeof (answer as Partial<WireOwnedExport> | null)?.id !== 'string') {
    throw unexpectedAnswer('it is no export');
  }
  return answer as WireOwnedExport;
}

/** Null for what a newer service tells of, and we know nothing about. */
function readEvent({ id, name, data }: ServerEvent): OwnerEvent | null {
  if (name === 'reset') return { id, type: name };
  if (name === 'export') return { id, type: name, export: readExport(JSON.parse(data)) };
  if (name === 'rule') return { id, type: name, ...(JSON.parse(data) as RuleChange) };
  return null;
}

interface RuleChange {
  change: 'added' | 'removed';
  rule: WireRule;
}
