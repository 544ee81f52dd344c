import { ZEST_CODES } from './zest.ts';

/** The arbiter gave no secret. The message says why, and what to do about it; asking again may help. */
export class ArbiterError extends Error {
  override readonly name = 'ArbiterError';
  /** Whether there was a connection to it at all. */
  readonly wasReached: boolean;
  /** Whether it answered, with what is no answer of an arbiter. */
  readonly isUnreadable: boolean;

  constructor(message: string, { wasReached = true, isUnreadable = false } = {}) {
    super(message);
    this.wasReached = wasReached;
    this.isUnreadable = isUnreadable;
  }
}

/** Whom was asked, and as whom. */
export interface Asked {
  readonly endpoint: string;
  readonly identity: string;
}

const IS_IT_THERE = 'Is it running, and is the address right (--arbiter, DATABOX_ARBITER_ENDPOINT)?';

/** How far an ask got that was not answered in time. */
export type Progress = 'name' | 'nothing' | 'connected' | 'handshake';

export function unanswered({ endpoint }: Asked, progress: Progress, timeoutMs: number): ArbiterError {
  const within = `within ${timeoutMs / 1_000} s`;
  switch (progress) {
    case 'name':
      return new ArbiterError(
        `No name server told the address of the arbiter at ${endpoint} ${within}. Do they answer?`,
        { wasReached: false },
      );
    case 'nothing':
      return new ArbiterError(
        `There was no connection to the arbiter at ${endpoint} ${within}. ${IS_IT_THERE}`,
        { wasReached: false },
      );
    case 'connected':
      return new ArbiterError(
        `${endpoint} takes connections, but there was no CURVE handshake ${within}. Does ZMQ_PUBLIC_KEY hold the key of ` +
          'this arbiter, and is it an arbiter?',
      );
    case 'handshake':
      return new ArbiterError(
        `The arbiter at ${endpoint} is connected and did not answer ${within}. Is it busy, or does it hang? Its log may say.`,
      );
  }
}

/** Its name leads nowhere, or nobody could say where. */
export function unresolved({ endpoint }: Asked, host: string, cause: unknown): ArbiterError {
  const { code, message } = Object(cause) as Partial<NodeJS.ErrnoException>;
  return new ArbiterError(
    `The name "${host}" of the arbiter at ${endpoint} could not be resolved (${code ?? message ?? cause}). ${IS_IT_THERE}`,
    { wasReached: false },
  );
}

/** What answered does not speak Zest, or not well. */
export function unreadable({ endpoint }: Asked, reason: string): ArbiterError {
  return new ArbiterError(
    `What ${endpoint} answered cannot be read. ${reason} Is it the arbiter of a Databox?`,
    { isUnreadable: true },
  );
}

/** It answered, with something else than a secret. */
export function refused(asked: Asked, code: number): ArbiterError {
  return new ArbiterError(REFUSALS[code]?.(asked) ?? unknownCode(asked, code));
}

type Words = (asked: Asked) => string;

const REFUSALS: Readonly<Record<number, Words>> = {
  [ZEST_CODES.created]: noSecret('65, created'),
  [ZEST_CODES.deleted]: noSecret('66, deleted'),
  [ZEST_CODES.badRequest]: ({ endpoint }) =>
    'The arbiter does not understand GET /store/secret (128, bad request). ' +
    `Is ${endpoint} the arbiter, and not another component of the box?`,
  [ZEST_CODES.unauthorized]: ({ identity }) =>
    `The arbiter does not know "${identity}" with this ARBITER_TOKEN (129, unauthorized). Either the box has not ` +
    'registered the service yet, and then this passes; or it did under another name (--name), or with another token: ' +
    'then let it register the service again.',
  [ZEST_CODES.notAcceptable]: () =>
    'The arbiter finds the request not acceptable (134), as it does with a grant that is there already. ' +
    'No arbiter we know does so here: which version is it?',
  [ZEST_CODES.tooLarge]: () =>
    'The arbiter finds the request too large (141). Is --name or the ARBITER_TOKEN longer than it should be?',
  [ZEST_CODES.unsupportedFormat]: () =>
    'The arbiter does not take the content format of the request (143), which is JSON. Which version is it?',
  [ZEST_CODES.internalError]: () =>
    'The arbiter failed while it answered (160, internal error). Its log says why; a restart may help it.',
  [ZEST_CODES.unavailable]: () =>
    'The arbiter is not available (163). It may be about to stop or to start: this passes, or its log says why not.',
};

function noSecret(code: string): Words {
  return ({ endpoint }) =>
    `The arbiter answered without a secret (${code}). Is ${endpoint} the arbiter, and not another component of the box?`;
}

function unknownCode({ endpoint }: Asked, code: number): string {
  return `The arbiter answered with code ${code}, which we do not know. Is ${endpoint} the arbiter of a Databox?`;
}
