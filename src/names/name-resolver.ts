import type { LookupAddress } from 'node:dns';
import type { Clock } from '../export/clock.ts';
import { lookUp, type NameSources, type Wanted } from './look-up.ts';

/** A name that has no answer by then fails: long enough for a second server when the first is silent. */
export const LOOKUP_MS_MAX = 10_000;

export interface NameResolverParts {
  readonly sources: NameSources;
  readonly clock: Clock;
}

type Callback = (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void;

/**
 * Finds the addresses of names, each name on its own: one that nobody answers for delays no other. Whoever asks for a
 * name that is being looked up gets that lookup's answer; so there are never more lookups than names that are wanted,
 * which for deliveries are no more than attempts in flight.
 */
export class NameResolver implements Disposable {
  readonly #parts: NameResolverParts;
  readonly #underWay = new Map<string, Promise<readonly LookupAddress[]>>();
  readonly #ending = new AbortController();

  constructor(parts: NameResolverParts) {
    this.#parts = parts;
  }

  /**
   * @returns at least one address: all that the name has
   * @throws Error with a `code`: `ENOTFOUND`, `ETIMEOUT` after {@link LOOKUP_MS_MAX}, and what c-ares says
   */
  find(name: string): Promise<readonly LookupAddress[]> {
    return this.#share(name.toLowerCase(), 'all');
  }

  /** One address, for what connects to one alone: of IPv4, where there is one. Throws as {@link find} does. */
  async first(name: string): Promise<string> {
    const [{ address } = { address: '' }] = await this.#share(name.toLowerCase(), 'some');
    return address;
  }

  /** All, as a callback gets them, like `dns.lookup` with `all`. */
  readonly lookup = (name: string, _options: unknown, callback: Callback): void => {
    this.find(name).then(
      (addresses) => callback(null, [...addresses]),
      (error) => callback(error, []),
    );
  };

  /** Ends what is under way, so that it keeps no process from ending. */
  [Symbol.dispose](): void {
    this.#ending.abort(failure('ECANCELLED', 'the service is stopping'));
  }

  #share(name: string, wanted: Wanted): Promise<readonly LookupAddress[]> {
    const key = `${wanted} ${name}`;
    const underWay =
      this.#underWay.get(key) ?? this.#look(name, wanted).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, underWay);
    return underWay;
  }

  async #look(name: string, wanted: Wanted): Promise<readonly LookupAddress[]> {
    const { sources, clock } = this.#parts;
    const late = new AbortController();
    const cancelTimeout = clock.schedule(LOOKUP_MS_MAX, () => {
      late.abort(failure('ETIMEOUT', `no answer within ${LOOKUP_MS_MAX / 1_000} s`));
    });
    try {
      return await lookUp(name, sources, AbortSignal.any([late.signal, this.#ending.signal]), wanted);
    } finally {
      cancelTimeout();
    }
  }
}

function failure(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
