import type { Deliverer, Delivery } from '../../../src/export/deliverer.ts';
import type { Failure } from '../../../src/export/job.ts';
import type { ClaimedJob } from '../../../src/export/job-store.ts';

/** How a destination behaves. */
export type Manner =
  | { readonly kind: 'answers'; readonly status: number; readonly body?: string }
  | { readonly kind: 'fails'; readonly failure: Failure }
  /** It is not even connected to. */
  | { readonly kind: 'is refused'; readonly failure: Failure };

const NOTHING_LEFT = { address: null, tlsFingerprint: null, bytes: 0 } as const;

const OK: Manner = { kind: 'answers', status: 200, body: '{"ok":true}' };

/**
 * The world outside the box, as a page of people's destinations needs it: names that no test machine resolves. It stands
 * for the network alone; everything before it is the service's own.
 */
export class PlayedWorld implements Deliverer {
  readonly #manners = new Map<string, Manner>();
  /** Sent, by host. */
  readonly deliveries: string[] = [];

  /** From now on this host behaves so. */
  set(host: string, manner: Manner): void {
    this.#manners.set(host, manner);
  }

  async deliver(
    { lane, data }: ClaimedJob,
    _signal: AbortSignal,
    mayLeave: () => boolean,
  ): Promise<Delivery> {
    if (!mayLeave()) return { outcome: { kind: 'stopped', sent: false }, ...NOTHING_LEFT };
    const { host } = new URL(lane.destination);
    this.deliveries.push(host);
    const manner = this.#manners.get(host) ?? OK;
    if (manner.kind === 'fails')
      return { outcome: { kind: 'failed', failure: manner.failure }, ...NOTHING_LEFT };
    if (manner.kind === 'is refused')
      return { outcome: { kind: 'refused', failure: manner.failure }, ...NOTHING_LEFT };
    const answer = { status: manner.status, body: manner.body ?? '', truncated: false };
    const connected = { address: '93.184.215.14', tlsFingerprint: '5e'.repeat(32), bytes: data.byteLength };
    return { outcome: { kind: 'answered', answer, retryAfterMs: null }, ...connected };
  }
}
