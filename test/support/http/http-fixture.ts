import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http, { type IncomingHttpHeaders } from 'node:http';
import net from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { v7 as uuidv7 } from 'uuid';
import type { WireExport, WireProblem } from '../../../client/wire.ts';
import { Authorizer } from '../../../src/auth/authorizer.ts';
import { ExportService, type ExportServiceParts } from '../../../src/export/export-service.ts';
import { JobFeed } from '../../../src/export/job-feed.ts';
import { OwnerFeed } from '../../../src/export/owner-feed.ts';
import type { PublicSigningKey } from '../../../src/export/signer.ts';
import type { LedgerActions } from '../../../src/http/owner-ledger.ts';
import type { Readiness } from '../../../src/http/probes.ts';
import {
  createHttpServer,
  type HttpServer,
  type HttpServerParts,
  type HttpSettings,
  type OwnerActions,
} from '../../../src/http/server.ts';
import { encode } from '../../../src/macaroon/codec.ts';
import { mint } from '../../../src/macaroon/macaroon.ts';
import { ManualClock } from '../manual-clock.ts';
import { MemoryJobStore } from './memory-job-store.ts';

export const DESTINATION = 'https://receiver.example/in';
export const ROOT_KEY = Buffer.from('bdcd6cbf-b60e-4b3c-be9f-ff664cbc2372');

const SIGNING_KEY: PublicSigningKey = {
  id: 'key',
  publicKey: Buffer.alloc(32, 1),
  madeAt: 0,
  validUntil: null,
};

export interface FixtureOptions
  extends Pick<HttpServerParts, 'tls' | 'onRefused' | 'socketLimits' | 'eventStreamLimits' | 'uiFolder'> {
  /** Left out, one of its own. */
  readonly clock?: ManualClock;
  /** Of the server; `limits` are the service's. */
  readonly serverLimits?: HttpServerParts['limits'];
  readonly settings?: Partial<HttpSettings>;
  readonly keys?: readonly Uint8Array[];
  readonly limits?: Partial<ExportServiceParts['limits']>;
  readonly requireDestination?: boolean;
  readonly readiness?: () => Promise<Readiness>;
  readonly owner?: Partial<OwnerActions>;
  readonly ledger?: Partial<LedgerActions>;
  readonly signingKeys?: () => readonly PublicSigningKey[];
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly bytes: Buffer;
  /** The body, read as JSON. */
  readonly json: WireExport & WireProblem & WireExport[];
}

export interface RequestOptions {
  readonly method?: string;
  readonly path?: string;
  /** The token; null for none. */
  readonly token?: string | null;
  readonly headers?: http.OutgoingHttpHeaders;
  /** An object or an array is written as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** What a token says, where it is not to be what most tests need. */
export interface TokenOptions {
  readonly identifier?: string;
  readonly target?: string | null;
  readonly method?: string | null;
  readonly path?: string | null;
  readonly destination?: string | null;
  readonly more?: readonly string[];
  readonly rootKey?: Uint8Array;
}

/** A token as the box would grant it: for every path, and one destination. */
export function tokenWith(options: TokenOptions = {}): string {
  const values = {
    target: 'export-service',
    method: 'POST',
    path: '*',
    destination: DESTINATION,
    ...options,
  };
  const caveats = (['target', 'method', 'path', 'destination'] as const)
    .filter((name) => values[name] !== null)
    .map((name) => `${name} = ${values[name]}`);
  const rootKey = options.rootKey ?? ROOT_KEY;
  const identifier = options.identifier ?? 'app';
  return encode(mint({ rootKey, identifier, caveats: [...caveats, ...(options.more ?? [])] }), 'v1');
}

const TOKEN = tokenWith();
/** Turns of the event loop; a request takes a few dozen. */
const TURNS_MAX = 100_000;

/** The real service and the real server on a real socket, over a store in memory and a clock that stands still. */
export class HttpFixture implements AsyncDisposable {
  readonly clock: ManualClock;
  readonly store: MemoryJobStore;
  readonly service: ExportService;
  readonly server: HttpServer;
  readonly port: number;
  /** What the server reported as its own mistakes. */
  readonly unexpected: readonly unknown[];
  readonly #agent = new http.Agent({ keepAlive: true });

  private constructor(
    parts: Pick<HttpFixture, 'clock' | 'store' | 'service' | 'server' | 'port' | 'unexpected'>,
  ) {
    this.clock = parts.clock;
    this.store = parts.store;
    this.service = parts.service;
    this.server = parts.server;
    this.port = parts.port;
    this.unexpected = parts.unexpected;
  }

  static async start(options: FixtureOptions = {}): Promise<HttpFixture> {
    const clock = options.clock ?? new ManualClock(Date.parse('2026-03-01T12:00:00Z'));
    const store = new MemoryJobStore();
    const unexpected: unknown[] = [];
    const service = createService(store, clock, options);
    const server = await createHttpServer({
      service,
      owner: ownerOf(options.owner ?? {}),
      ledger: { ...NO_LEDGER, ...options.ledger },
      authorizer: new Authorizer({
        keys: () => options.keys ?? [ROOT_KEY],
        target: 'export-service',
        requireDestination: options.requireDestination ?? true,
      }),
      settings: { bodyBytesMax: 64 * 1_024, longPollMaxMs: 300_000, attemptsMax: 9, ...options.settings },
      signingKeys: options.signingKeys ?? (() => [SIGNING_KEY]),
      metrics: async () => ({
        contentType: 'text/plain; version=0.0.4; charset=utf-8',
        text: '# HELP up Whether it is there\nup 1\n',
      }),
      ...(options.onRefused === undefined ? {} : { onRefused: options.onRefused }),
      readiness: options.readiness ?? (async () => ({ isReady: true })),
      log: { unexpectedError: (error) => unexpected.push(error) },
      clock,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      ...(options.serverLimits === undefined ? {} : { limits: options.serverLimits }),
      ...(options.socketLimits === undefined ? {} : { socketLimits: options.socketLimits }),
      ...(options.uiFolder === undefined ? {} : { uiFolder: options.uiFolder }),
      ...(options.eventStreamLimits === undefined ? {} : { eventStreamLimits: options.eventStreamLimits }),
    });
    const { port } = await server.listen('127.0.0.1', 0);
    return new HttpFixture({ clock, store, service, server, port, unexpected });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#agent.destroy();
    await this.server.close();
  }

  /** A POST to `/export` with a good token, where the options do not say otherwise. */
  async send({ method, path, token, headers, body, signal }: RequestOptions = {}): Promise<Answer> {
    const request = http.request({
      port: this.port,
      host: '127.0.0.1',
      agent: this.#agent,
      method: method ?? 'POST',
      path: path ?? '/export',
      headers: { ...(token === null ? {} : { 'x-api-key': token ?? TOKEN }), ...headers },
      ...(signal === undefined ? {} : { signal }),
    });
    request.end(typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    const bytes = Buffer.concat(await response.toArray());
    const text = bytes.toString();
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text,
      bytes,
      get json() {
        return JSON.parse(text);
      },
    };
  }

  /** Hands in a new export and gives its id. */
  async submit(body: object = {}): Promise<string> {
    const answer = await this.send({ body: { uri: DESTINATION, data: '{}', ...body } });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.id;
  }

  /** What was taken in, as text. */
  get queuedData(): string[] {
    return this.store.inserted.map((job) => Buffer.from(job.data).toString());
  }

  /** Resolves when `count` waits are under way: each has a timer. Gives up, so that a mistake fails instead of hanging. */
  async untilWaiting(count: number): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn += 1) {
      if (this.clock.scheduled === count) return;
      await setImmediate();
    }
    assert.fail(`${this.clock.scheduled} wait, and not ${count}`);
  }

  /** Opens a bare connection. */
  async connect(): Promise<net.Socket> {
    const socket = net.connect(this.port, '127.0.0.1');
    await once(socket, 'connect');
    return socket;
  }

  /** Sends bytes as they are, and gives all that comes back until the server closes the connection. */
  async exchange(bytes: string | Buffer): Promise<string> {
    const socket = await this.connect();
    socket.write(bytes);
    return Buffer.concat(await socket.toArray()).toString('latin1');
  }

  /** Sends bytes as they are, and gives the first piece that comes back. */
  async exchangeHead(bytes: string): Promise<string> {
    const socket = await this.connect();
    socket.write(bytes);
    const [first] = (await once(socket, 'data')) as [Buffer];
    socket.destroy();
    return first.toString('latin1');
  }
}

/** For servers that nobody asks for what is the owner's. */
export const NO_OWNER: OwnerActions = {
  refreshRootKey: notAsked,
  rotateSigningKey: notAsked,
  rules: notAsked,
  addRule: notAsked,
  removeRule: notAsked,
  cancel: notAsked,
  list: notAsked,
  find: notAsked,
  summary: notAsked,
  redeliver: notAsked,
  sessions: { createLink: notAsked, redeem: notAsked, isOpen: notAsked, end: notAsked },
  feed: new OwnerFeed({ find: notAsked, render: notAsked, clock: new ManualClock(), life: 'none' }),
};

export const NO_LEDGER: LedgerActions = {
  logs: notAsked,
  entries: notAsked,
  checkpoint: notAsked,
  receipt: notAsked,
};

/** What is there of the owner's side; the methods of a class too, which are none of its own properties. */
function ownerOf(owner: Partial<OwnerActions>): OwnerActions {
  const names = Object.keys(NO_OWNER) as (keyof OwnerActions)[];
  const own = (name: keyof OwnerActions) => {
    const part = owner[name] ?? NO_OWNER[name];
    return typeof part === 'function' ? part.bind(owner) : part;
  };
  return Object.fromEntries(names.map((name) => [name, own(name)])) as never;
}

function notAsked(): never {
  assert.fail('no test has asked for this');
}

function createService(store: MemoryJobStore, clock: ManualClock, { limits }: FixtureOptions): ExportService {
  const feed = new JobFeed();
  store.onChange((ids) => feed.publish(ids));
  return new ExportService({
    store,
    feed,
    clock,
    dispatch: { reserve: () => null, send: () => {}, cancel: () => {}, queued: () => {} },
    destinationPolicy: {
      refusal: (url) => (url.protocol === 'https:' ? null : 'Only https: destinations are allowed.'),
    },
    newId: () => uuidv7(),
    digest: (data, attemptsMax) => createHash('sha256').update(`${attemptsMax} `).update(data).digest(),
    limits: { attemptsMax: 9, pendingMax: 3, waitingMax: 2, rateMax: 0, ageMsMax: 86_400_000, ...limits },
  });
}
