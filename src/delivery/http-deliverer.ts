import type { Clock } from '../export/clock.ts';
import { type Deliverer, type Delivery, unconnected } from '../export/deliverer.ts';
import type { AttemptOutcome } from '../export/job.ts';
import type { ClaimedJob } from '../export/job-store.ts';
import type { Signer } from '../export/signer.ts';
import { type Connection, ConnectionPool, HeldBackError, type RequestOptions } from './connection-pool.ts';
import { Connector } from './connector.ts';
import { AddressRefusedError, type EgressGuard } from './egress-guard.ts';
import { failure, failureOf, InterimFloodError } from './failures.ts';
import { PhaseTimes } from './phase-times.ts';
import { readBody } from './response-body.ts';
import { parseRetryAfter } from './retry-after.ts';

/**
 * As many as attempts are in flight by default: a connection that is closed after its answer has to be opened for the next
 * export, which costs more than all the rest of an attempt, and with TLS many times that. They are kept for seconds only, and
 * the origin had them open a moment ago.
 */
const IDLE_MAX_DEFAULT = 256;
const IDLE_PER_ORIGIN_MAX_DEFAULT = IDLE_MAX_DEFAULT;

export interface HttpDelivererOptions {
  readonly clock: Clock;
  readonly guard: EgressGuard;
  readonly signer: Signer;
  /** Ours, for `user-agent`. */
  readonly version: string;
  /** One deadline over name resolution, connection, TLS, head and body. */
  readonly attemptTimeoutMs: number;
  /** Of an answer's body, counted after decompression; what is more is cut off. */
  readonly responseBytesMax: number;
  /** PEM certificates that are trusted besides the usual ones; null for none. */
  readonly destinationCa: string | null;
  /** The port that this service listens on itself, so that nothing is delivered there; null while it does not. */
  readonly ownPort?: () => number | null;
  /** Milliseconds with fractions since any moment, for what is only shown; left out, the process's. */
  readonly elapsedMs?: () => number;
  /** Unused connections kept to one origin, default 256. */
  readonly idlePerOriginMax?: number;
  /** Unused connections kept at all, default 256. */
  readonly idleMax?: number;
}

/**
 * Makes attempts by HTTP/1.1: one POST, no redirects, no proxy, TLS always verified, and only to addresses that the
 * guard has allowed at the moment of connecting. How many run at once is up to the caller.
 */
export class HttpDeliverer implements Deliverer, AsyncDisposable {
  readonly #options: HttpDelivererOptions;
  readonly #pool: ConnectionPool;

  /** @throws TypeError when `destinationCa` holds no certificate */
  constructor(options: HttpDelivererOptions) {
    this.#options = options;
    this.#pool = new ConnectionPool(new Connector(options), {
      idlePerOriginMax: options.idlePerOriginMax ?? IDLE_PER_ORIGIN_MAX_DEFAULT,
      idleMax: options.idleMax ?? IDLE_MAX_DEFAULT,
    });
  }

  async deliver(job: ClaimedJob, signal: AbortSignal, mayLeave: () => boolean): Promise<Delivery> {
    if (signal.aborted) return unconnected({ kind: 'stopped', sent: false });
    const url = URL.parse(job.lane.destination);
    // Judged when the export was taken too, but perhaps under other settings: a restart may lie between.
    const refusal = url === null ? 'The destination is not a URL.' : this.#options.guard.refusal(url);
    if (url === null || refusal !== null) return unconnected(refused(refusal ?? ''));
    return this.#deliverTo(url, job, signal, mayLeave);
  }

  async #deliverTo(
    url: URL,
    job: ClaimedJob,
    signal: AbortSignal,
    mayLeave: () => boolean,
  ): Promise<Delivery> {
    const { clock, attemptTimeoutMs } = this.#options;
    const exchange = new Exchange(
      this.#pool,
      url,
      job.data.byteLength,
      () => this.#request(url, job),
      mayLeave,
      this.#options,
    );
    const interruption = Promise.withResolvers<AttemptOutcome>();
    const stop = () => interruption.resolve({ kind: 'stopped', sent: exchange.mayHaveSent });
    signal.addEventListener('abort', stop, { once: true });
    const cancelDeadline = clock.schedule(attemptTimeoutMs, () =>
      interruption.resolve(timedOut(attemptTimeoutMs, exchange.phase)),
    );
    try {
      const outcome = await Promise.race([exchange.run(), interruption.promise]);
      return { outcome, ...exchange.record };
    } finally {
      cancelDeadline();
      signal.removeEventListener('abort', stop);
      exchange.close();
    }
  }

  async #request(url: URL, job: ClaimedJob): Promise<RequestOptions> {
    return {
      method: 'POST',
      path: `${url.pathname}${url.search}`,
      headers: await this.#headers(job),
      body: job.data,
      onInfo: limitInterim(),
    };
  }

  /** Section 6 of the interface. `host` and `content-length` are undici's to write. */
  async #headers({ id, data }: ClaimedJob): Promise<Record<string, string>> {
    const { clock, version, signer } = this.#options;
    const timestampSeconds = Math.floor(clock.now() / 1_000);
    return {
      'content-type': 'application/json',
      'user-agent': `databox-export-service/${version}`,
      'accept-encoding': 'identity',
      'idempotency-key': id,
      'webhook-id': id,
      'webhook-timestamp': String(timestampSeconds),
      'webhook-signature': await signer.sign({ id, timestampSeconds, body: data }),
    };
  }

  /** Closes every connection. An attempt that still runs ends as a failure: stop attempts by their signal first. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#pool[Symbol.asyncDispose]();
  }
}

/** Interim answers (1xx) before the answer. A server has one or two to say; each has a head of up to 16 KiB. */
const INTERIM_ANSWERS_MAX = 32;

/** Ends an exchange whose interim answers do not end. */
function limitInterim(): () => void {
  let count = 0;
  return () => {
    count += 1;
    if (count > INTERIM_ANSWERS_MAX) throw new InterimFloodError(INTERIM_ANSWERS_MAX);
  };
}

/** What an attempt was waiting for: tells the developer where the time went. */
type Phase = 'connecting' | 'waiting for the answer' | 'reading the answer';

/** One request and its answer. */
class Exchange {
  readonly #pool: ConnectionPool;
  readonly #dataBytes: number;
  readonly #makeRequest: () => Promise<RequestOptions>;
  readonly #mayLeave: () => boolean;
  readonly #options: HttpDelivererOptions;
  readonly #connection: Connection;
  readonly #times: PhaseTimes;
  #hasHead = false;
  /** Whether the request was handed to the connection, and not held back. */
  #isBegun = false;
  /** Where the answer came from; undici may open another connection after that. */
  #answeredFrom: FarEnd | null = null;
  /** The connection is no longer ours. */
  #isLetGo = false;

  constructor(
    pool: ConnectionPool,
    url: URL,
    dataBytes: number,
    makeRequest: () => Promise<RequestOptions>,
    mayLeave: () => boolean,
    options: HttpDelivererOptions,
  ) {
    this.#pool = pool;
    this.#dataBytes = dataBytes;
    this.#makeRequest = makeRequest;
    this.#mayLeave = mayLeave;
    this.#options = options;
    this.#times = new PhaseTimes(options.elapsedMs ?? processMs);
    this.#connection = pool.acquire(url);
  }

  /** What stays on record of it. */
  get record(): Omit<Delivery, 'outcome'> {
    return {
      ...(this.#answeredFrom ?? farEndOf(this.#connection)),
      bytes: this.mayHaveSent ? this.#dataBytes : 0,
      timing: this.#times.end(),
    };
  }

  get mayHaveSent(): boolean {
    return this.#isBegun && this.#connection.mayHaveSent;
  }

  get phase(): Phase {
    if (this.#hasHead) return 'reading the answer';
    return this.mayHaveSent ? 'waiting for the answer' : 'connecting';
  }

  /**
   * Never rejects. After `close` its outcome means nothing.
   *
   * What fails is not sent once more here, not even over a kept connection that the other side had just given up: each
   * sending is an attempt on record, or nobody could say what left. That such a connection is rare is the pool's part.
   */
  async run(): Promise<AttemptOutcome> {
    try {
      return await this.#send();
    } catch (error) {
      return this.#outcomeOf(error);
    }
  }

  async #send(): Promise<AttemptOutcome> {
    const connection = this.#connection;
    const request = await this.#makeRequest();
    // Stopped or out of time while it was signed: nothing may leave any more.
    if (this.#isLetGo) throw new Error('the attempt is over');
    this.#isBegun = true;
    const { statusCode, headers, body } = await connection.request(request, this.#mayLeave, this.#times);
    this.#times.begin('body');
    this.#hasHead = true;
    this.#answeredFrom = farEndOf(connection);
    const coding = headers['content-encoding'];
    const { text, truncated, isReadToEnd } = await readBody(
      body,
      Array.isArray(coding) ? coding.join() : coding,
      this.#options.responseBytesMax,
    );
    if (isReadToEnd && !this.#isLetGo) {
      this.#isLetGo = true;
      this.#pool.release(connection);
    }
    return {
      kind: 'answered',
      answer: { status: statusCode, body: text, truncated },
      retryAfterMs: parseRetryAfter(headers['retry-after'], this.#options.clock.now()),
    };
  }

  #outcomeOf(error: unknown): AttemptOutcome {
    if (error instanceof HeldBackError) {
      this.#isBegun = false;
      return { kind: 'stopped', sent: false };
    }
    if (error instanceof AddressRefusedError) return refused(error.message);
    return { kind: 'failed', failure: failureOf(error, this.#connection.hasAnswerBegun) };
  }

  /** Lets go of the connection unless it is back in the pool. Harmless when repeated. */
  close(): void {
    if (this.#isLetGo) return;
    this.#isLetGo = true;
    this.#pool.discard(this.#connection);
  }
}

function processMs(): number {
  return performance.now();
}

type FarEnd = Pick<Delivery, 'address' | 'tlsFingerprint'>;

function farEndOf({ address, tlsFingerprint }: Connection): FarEnd {
  return { address, tlsFingerprint };
}

function refused(detail: string): AttemptOutcome {
  return { kind: 'refused', failure: failure('address_refused', detail) };
}

function timedOut(attemptTimeoutMs: number, phase: Phase): AttemptOutcome {
  const detail = `No complete answer within ${attemptTimeoutMs / 1_000} s; the time ran out while ${phase}.`;
  return { kind: 'failed', failure: failure('timeout', detail) };
}
