import type { EventOf, LedgerEntry } from './entry.ts';

/** What one app sent to one destination. Times are RFC 3339, as in the entries. */
export interface Disclosure {
  /** Null when the tokens named no app. */
  readonly app: string | null;
  readonly destination: string;
  /** Exports that were taken in, those that the owner had sent again included. */
  accepted: number;
  readonly outcomes: Record<EventOf<'outcome'>['state'], number>;
  /** Tries after which the destination may have the payload, or a part of it. */
  sent: number;
  /** Of these, tries of which nobody knows whether anything left: the service was cut off. */
  unknown: number;
  /** Payload bytes of all tries that were sent; of unknown ones nothing is counted. */
  bytes: number;
  /** Refused before they were taken in. */
  refused: number;
  /** Of the first and the last try that was sent; null when none was. */
  firstSentAt: string | null;
  lastSentAt: string | null;
  /** Addresses connected to, in the order of their appearance; the first {@link SEEN_MAX}. */
  readonly addresses: Set<string>;
  /** Certificates (SHA-256) of whom it was sent to, likewise: one that was refused got nothing. */
  readonly tlsFingerprints: Set<string>;
}

/** Addresses and certificates that are listed for a destination. */
export const SEEN_MAX = 64;

/**
 * Adds up entries into an account of what left the box: who, what, where, when, how much, how often. It keeps one
 * {@link Disclosure} for each app and destination, however many entries there are.
 */
export class DisclosureAccount {
  readonly #byLane = new Map<string, Disclosure>();

  add(entry: LedgerEntry): void {
    switch (entry.kind) {
      case 'accepted':
      case 'redelivery':
        this.#of(entry).accepted += 1;
        return;
      case 'attempt':
        addAttempt(this.#of(entry), entry);
        return;
      case 'outcome':
        this.#of(entry).outcomes[entry.state] += 1;
        return;
      case 'refused':
        if (entry.destination !== null)
          this.#of({ ...entry, destination: entry.destination }).refused += entry.count;
        return;
      default:
        return;
    }
  }

  /** In the order of the entries. */
  disclosures(): Disclosure[] {
    return [...this.#byLane.values()];
  }

  #of({ app, destination }: Pick<Disclosure, 'app' | 'destination'>): Disclosure {
    const lane = JSON.stringify([app, destination]);
    const known = this.#byLane.get(lane);
    if (known !== undefined) return known;
    const added = emptyDisclosure(app, destination);
    this.#byLane.set(lane, added);
    return added;
  }
}

function addAttempt(disclosure: Disclosure, attempt: LedgerEntry & { kind: 'attempt' }): void {
  const { address, tls_fingerprint: fingerprint, bytes, time } = attempt;
  if (address !== null) see(disclosure.addresses, address);
  if (bytes === 0) return;
  if (fingerprint !== null) see(disclosure.tlsFingerprints, fingerprint);
  disclosure.sent += 1;
  disclosure.unknown += bytes === null ? 1 : 0;
  disclosure.bytes += bytes ?? 0;
  disclosure.firstSentAt ??= time;
  disclosure.lastSentAt = time;
}

function see(seen: Set<string>, one: string): void {
  if (seen.size < SEEN_MAX) seen.add(one);
}

function emptyDisclosure(app: string | null, destination: string): Disclosure {
  return {
    app,
    destination,
    accepted: 0,
    outcomes: { delivered: 0, undeliverable: 0, blocked: 0, cancelled: 0 },
    sent: 0,
    unknown: 0,
    bytes: 0,
    refused: 0,
    firstSentAt: null,
    lastSentAt: null,
    addresses: new Set(),
    tlsFingerprints: new Set(),
  };
}
