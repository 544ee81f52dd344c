import { ExportError } from '../../export/errors.ts';
import { hasEnded, tooManyWaiting } from '../../export/export-service.ts';
import type { ExportJob } from '../../export/job.ts';
import { clearedToken } from '../cleared-token.ts';
import { type ExportCall, readExportCall } from '../export-call.ts';
import { type EndpointCall, ExportEndpoint, type ExportEndpointParts } from '../export-endpoint.ts';
import type { HttpSettings } from '../http-settings.ts';
import { type ProblemCode, refusalAnswer } from '../problem.ts';
import { type HttpLog, OUR_MISTAKE } from '../refusals.ts';
import { exportAnswer } from '../wire-answer.ts';

/** What a token's caveats must allow. */
export const SOCKET_PATH = '/ws/export';
const METHOD = 'GET';

export interface FrameEndpointParts extends ExportEndpointParts {
  readonly settings: HttpSettings;
  readonly log: HttpLog;
  /** Hears the code of each refusal; left out, nobody does. */
  readonly onRefused?: (code: ProblemCode) => void;
}

/** The answer to a frame. */
export interface FrameAnswer {
  readonly text: string;
  /** The export whose later states are to follow; null when there are none, or nobody asked for them. */
  readonly watched: { readonly job: ExportJob; readonly seat: Disposable } | null;
}

/**
 * What becomes of a frame: what becomes of a request on `/export`, by the same rules in the same order, and from the
 * token on. For a socket lives long: meanwhile a token expires, or its key is dropped.
 */
export class FrameEndpoint {
  readonly #parts: FrameEndpointParts;
  readonly #endpoint: ExportEndpoint;

  constructor(parts: FrameEndpointParts) {
    this.#parts = parts;
    this.#endpoint = new ExportEndpoint(parts);
  }

  /**
   * Judges the handshake by its token, and throws as {@link clearedToken} does.
   */
  admit(tokenText: string | undefined): void {
    this.#token(tokenText);
  }

  /**
   * The answer to a text frame, a refusal in it. Never rejects. Frames are taken in in the order of the calls.
   *
   * @param takeSeat called for a new export: a seat to watch it from, or null
   */
  async answer(
    frame: Uint8Array,
    { tokenText, peer }: { readonly tokenText: string | undefined; readonly peer: string | null },
    takeSeat: () => Disposable | null,
  ): Promise<FrameAnswer> {
    try {
      const token = this.#token(tokenText);
      const { attemptsMax } = this.#parts.settings;
      const call = readExportCall(frame, { idempotencyHeader: undefined, attemptsMax, takesBatches: false });
      if (call.kind === 'new') return await this.#submit({ call, token, peer, whenGone }, takeSeat);
      return {
        text: await this.#endpoint.answer({ call, token, peer, patience: NONE, whenGone }),
        watched: null,
      };
    } catch (error) {
      return { text: this.#problem(error), watched: null };
    }
  }

  /**
   * An export as it is now, judged as a poll is.
   *
   * @throws ExportError the refusal
   */
  present(id: string, tokenText: string | undefined): Promise<ExportJob> {
    const token = this.#token(tokenText);
    const call: ExportCall = { kind: 'poll', isBatch: false, polls: [{ id, destination: null }] };
    return this.#endpoint.job({ call, token, peer: null, patience: NONE, whenGone });
  }

  /** An export as JSON text. */
  text(job: ExportJob): string {
    return exportAnswer(job, this.#parts.clock);
  }

  /** The refusal that came in place of a push: an app has no other way to tell which export it is about. */
  pushProblem(error: unknown, id: string): string {
    return JSON.stringify({ ...JSON.parse(this.#problem(error)), id });
  }

  #token(tokenText: string | undefined): EndpointCall['token'] {
    return clearedToken(this.#parts, { tokenText, method: METHOD, path: SOCKET_PATH });
  }

  async #submit(
    asked: Omit<EndpointCall, 'patience'>,
    takeSeat: () => Disposable | null,
  ): Promise<FrameAnswer> {
    using unused = new DisposableStack();
    const seat = takeSeat();
    if (seat !== null) unused.use(seat);
    const job = await this.#endpoint.job({ ...asked, patience: { kind: 'pushed', hasSeat: seat !== null } });
    if (hasEnded(job)) return { text: this.text(job), watched: null };
    if (seat === null) throw tooManyWaiting();
    unused.move();
    return { text: this.text(job), watched: { job, seat } };
  }

  #problem(error: unknown): string {
    const isForeseen = error instanceof ExportError;
    if (!isForeseen) this.#parts.log.unexpectedError(error);
    const { code, body } = isForeseen ? refusalAnswer(error) : OUR_MISTAKE;
    this.#parts.onRefused?.(code);
    return body;
  }
}

const NONE = { kind: 'none' } as const;

/** Nothing on a socket waits. */
function whenGone(): AbortSignal {
  return AbortSignal.abort();
}
