import type { Clock } from './clock.ts';

export interface PeerNamesParts {
  /**
   * The names of an address, by reverse lookup; empty when it has none. May reject, and may take as long as it likes:
   * nobody waits for it beyond {@link LOOKUP_MS_MAX}.
   */
  readonly reverse: (address: string) => Promise<readonly string[]>;
  /** Whether an address is one that the box's own network may have a name for; others are not asked about. */
  readonly isOfBox: (address: string) => boolean;
  readonly clock: Clock;
}

/** Addresses that are remembered, the one that was learnt longest ago leaving first. */
export const PEERS_MAX = 1_000;
/** Lookups under way; beyond them an address has no name for now. */
export const LOOKUPS_MAX = 16;
/** A lookup that takes longer has found nothing. */
export const LOOKUP_MS_MAX = 500;
/** How long an answer counts. A container that takes over an address is to get its own name soon. */
export const NAME_KEPT_MS = 60_000;

/** DNS (RFC 1035, section 2.3.4), and the underscores that container names have. Nothing else is shown to anybody. */
const NAME = /^[a-z\d_](?:[a-z\d_.-]{0,251}[a-z\d_])?$/i;

interface Known {
  readonly name: string | null;
  /** Steady time. */
  readonly until: number;
}

/**
 * What submitters are called on the box's network, as far as a reverse lookup tells. It proves nothing: whoever is on that
 * network may have taken an address, and whoever answers the lookup says what they like.
 */
export class PeerNames {
  readonly #parts: PeerNamesParts;
  readonly #known = new Map<string, Known>();
  readonly #underWay = new Map<string, Promise<string | null>>();

  constructor(parts: PeerNamesParts) {
    this.#parts = parts;
  }

  /** The name if it is known, at once; asks for the next time if it is not. */
  known(address: string): string | null {
    const known = this.#recall(address);
    if (known === undefined) void this.find(address);
    return known?.name ?? null;
  }

  /** The name, after {@link LOOKUP_MS_MAX} at most. Never rejects. */
  async find(address: string): Promise<string | null> {
    const known = this.#recall(address);
    if (known !== undefined) return known.name;
    if (!this.#parts.isOfBox(address)) {
      // So that it is not taken apart anew for each of its exports.
      this.#remember(address, null);
      return null;
    }
    const asked = this.#underWay.get(address);
    if (asked !== undefined) return asked;
    if (this.#underWay.size >= LOOKUPS_MAX) return null;
    const lookup = this.#lookUp(address);
    this.#underWay.set(address, lookup);
    const name = await lookup;
    this.#underWay.delete(address);
    this.#remember(address, name);
    return name;
  }

  async #lookUp(address: string): Promise<string | null> {
    const { promise: timeIsUp, resolve } = Promise.withResolvers<readonly string[]>();
    const cancel = this.#parts.clock.schedule(LOOKUP_MS_MAX, () => resolve([]));
    const names = await Promise.race([this.#parts.reverse(address).catch(() => []), timeIsUp]);
    cancel();
    return names.find((name) => NAME.test(name)) ?? null;
  }

  #recall(address: string): Known | undefined {
    const known = this.#known.get(address);
    return known !== undefined && this.#parts.clock.steady() < known.until ? known : undefined;
  }

  #remember(address: string, name: string | null): void {
    this.#known.delete(address);
    if (this.#known.size >= PEERS_MAX) {
      const [oldest] = this.#known.keys();
      if (oldest !== undefined) this.#known.delete(oldest);
    }
    this.#known.set(address, { name, until: this.#parts.clock.steady() + NAME_KEPT_MS });
  }
}

/** A submitter as it is shown: its address, and in brackets its name if there is one. */
export function peerText(address: string, name: string | null): string {
  return name === null ? address : `${address} (${name})`;
}

/** Whether a {@link peerText} has a name. */
export function hasName(peer: string): boolean {
  return peer.endsWith(')');
}
