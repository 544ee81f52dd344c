/**
 * The last root keys of the arbiter, newest first. Every ask makes a new one, and tokens signed with earlier ones are
 * still in the field; so the last few stay good, and those leave that no token needs any more.
 */
export type Ring = readonly RingKey[];

export interface RingKey {
  /** The same object as long as the key stays: whoever verified a token with it remembers it by that. */
  readonly key: Uint8Array;
  /** When it verified a token last, in steady time; until it has, when it came. */
  usedAt: number;
}

/** Keys that are kept (interface, `--arbiter`). */
export const RING_KEYS_MAX = 16;
/** A key that verified no token for so long, of the time that we ran, leaves (interface, `--arbiter`). */
export const RING_UNUSED_MS_MAX = 30 * 24 * 3_600_000;

/** The ring with one key more, which is the newest then. When it is full, the one unused for longest leaves. */
export function addKey(ring: Ring, key: Uint8Array, now: number): Ring {
  const others = ring.filter((other) => !isSame(other.key, key));
  const known = ring.find((other) => isSame(other.key, key));
  const kept = others.toSorted((a, b) => b.usedAt - a.usedAt).slice(0, RING_KEYS_MAX - 1);
  const newest = { key: known?.key ?? key, usedAt: now };
  return [newest, ...others.filter((other) => kept.includes(other))];
}

/** The ring without what has been unused for too long. The newest stays: it is what the arbiter signs with. */
export function dropUnused(ring: Ring, now: number): Ring {
  return ring.filter(({ usedAt }, index) => index === 0 || now - usedAt < RING_UNUSED_MS_MAX);
}

/** `stored` as it is, and what we know of its keys: the objects, and uses that are not stored yet. */
export function mergeKnown(stored: Ring, known: Ring): Ring {
  return stored.map((entry) => {
    const mine = known.find(({ key }) => isSame(key, entry.key));
    return mine === undefined ? entry : { key: mine.key, usedAt: Math.max(mine.usedAt, entry.usedAt) };
  });
}

/** Whether the key is in the ring, whichever object it is. */
export function holds(ring: Ring, key: Uint8Array): boolean {
  return ring.some((other) => isSame(other.key, key));
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

const FORM = 1;

interface WrittenRing {
  readonly form: number;
  readonly keys: readonly { readonly key: string; readonly unused_ms: number }[];
}

/**
 * Writes a ring down. Not when a key was used is kept, but for how long it has not been: then neither a clock that was
 * wrong nor a box that was off for a while ends the tokens in the field.
 */
export function encodeRing(ring: Ring, now: number): Uint8Array {
  const keys = ring.map(({ key, usedAt }) => ({
    key: Buffer.from(key).toString('base64url'),
    unused_ms: Math.max(now - usedAt, 0),
  }));
  return Buffer.from(JSON.stringify({ form: FORM, keys } satisfies WrittenRing));
}

/** @throws Error when it is of a form that we do not know */
export function decodeRing(bytes: Uint8Array, now: number): Ring {
  const { form, keys } = JSON.parse(Buffer.from(bytes).toString()) as WrittenRing;
  if (form !== FORM) {
    throw new Error(
      `The root keys in the store are written in form ${form}, and this version reads form ${FORM}. ` +
        'Was a newer version used on this store? Take that one again.',
    );
  }
  return keys.slice(0, RING_KEYS_MAX).map(({ key, unused_ms: unusedMs }) => ({
    key: Buffer.from(key, 'base64url'),
    usedAt: now - unusedMs,
  }));
}
