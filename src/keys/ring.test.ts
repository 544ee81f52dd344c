import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  addKey,
  decodeRing,
  dropUnused,
  encodeRing,
  mergeKnown,
  RING_KEYS_MAX,
  RING_UNUSED_MS_MAX,
  type Ring,
} from './ring.ts';

const NOW = Date.UTC(2026, 0, 1);
const DAY = 24 * 3_600_000;
const keyOf = (name: string): Uint8Array => Buffer.from(name);
const names = (ring: Ring): string[] => ring.map(({ key }) => Buffer.from(key).toString());

/** A ring of `count` keys that came a second apart: 0 is the oldest. */
function ringOf(count: number): Ring {
  let ring: Ring = [];
  for (let n = 0; n < count; n += 1) ring = addKey(ring, keyOf(`${n}`), NOW + n * 1_000);
  return ring;
}

function use(ring: Ring, name: string, usedAt: number): void {
  const entry = ring.find(({ key }) => Buffer.from(key).toString() === name);
  assert.ok(entry);
  entry.usedAt = usedAt;
}

describe('adding a key', () => {
  it('makes it the newest', () => {
    assert.deepEqual(names(ringOf(3)), ['2', '1', '0']);
  });

  it('keeps 16, and the one unused for longest leaves first, wherever it stands', () => {
    const full = ringOf(RING_KEYS_MAX);
    assert.equal(full.length, 16);
    for (const name of names(full)) use(full, name, NOW + DAY);
    use(full, '7', NOW + DAY - 1);
    const next = addKey(full, keyOf('new'), NOW + 2 * DAY);
    assert.equal(next.length, 16);
    assert.deepEqual(names(next), ['new', ...names(full).filter((name) => name !== '7')]);
  });

  it('that is there already makes it the newest, as the same object, and drops none', () => {
    const ring = ringOf(RING_KEYS_MAX);
    const again = addKey(ring, keyOf('3'), NOW + DAY);
    assert.equal(again.length, 16);
    assert.equal(again[0]?.key, ring.find(({ key }) => Buffer.from(key).toString() === '3')?.key);
    assert.equal(again[0]?.usedAt, NOW + DAY);
  });
});

describe('30 days unused', () => {
  it('ends a key, not a moment before, and never the newest', () => {
    const ring = ringOf(3);
    use(ring, '0', NOW + DAY);
    const after = (ms: number) => names(dropUnused(ring, NOW + ms));
    assert.deepEqual(after(RING_UNUSED_MS_MAX + 1_000 - 1), ['2', '1', '0']);
    assert.deepEqual(after(RING_UNUSED_MS_MAX + 1_000), ['2', '0']);
    assert.deepEqual(after(1_000 * DAY), ['2']);
  });
});

describe('a ring that is written down', () => {
  it('is the same when it is read at once', () => {
    const ring = ringOf(4);
    use(ring, '2', NOW + DAY);
    const read = decodeRing(encodeRing(ring, NOW + DAY), NOW + DAY);
    assert.deepEqual(structuredClone(read), structuredClone(ring));
  });

  it('is not older when it is read later: a box that was off, or whose clock is wrong, loses no key', () => {
    const ring = ringOf(2);
    const written = encodeRing(ring, NOW + DAY);
    for (const now of [NOW + 1_000 * DAY, NOW, 0]) {
      const read = decodeRing(written, now);
      assert.equal(now - (read[1]?.usedAt ?? 0), DAY);
      assert.deepEqual(names(dropUnused(read, now)), ['1', '0']);
    }
  });

  it('of a form that we do not know is not read', () => {
    assert.throws(() => decodeRing(Buffer.from('{"form":2,"keys":[]}'), NOW), /form 2.*newer version/);
  });
});

describe("another instance's ring", () => {
  it('is taken over, with our objects and our uses where they are later', () => {
    const mine = ringOf(2);
    use(mine, '0', NOW + DAY);
    const stored = decodeRing(encodeRing(addKey(ringOf(2), keyOf('theirs'), NOW + 5), NOW + 5), NOW + 5);
    const merged = mergeKnown(stored, mine);
    assert.deepEqual(names(merged), ['theirs', '1', '0']);
    assert.equal(merged[1]?.key, mine[0]?.key);
    assert.deepEqual(
      merged.map(({ usedAt }) => usedAt),
      [NOW + 5, NOW + 1_000, NOW + DAY],
    );
    assert.deepEqual(names(mergeKnown([], mine)), [], 'what they dropped is dropped');
  });
});

it('whatever happens, there are at most 16 keys, the newest is the one added last, and none comes twice', () => {
  const step = fc.oneof(
    fc.record({ add: fc.nat(40) }),
    fc.record({ use: fc.nat(15) }),
    fc.record({ wait: fc.nat(40 * DAY) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      let ring: Ring = [];
      let now = NOW;
      let last: string | null = null;
      for (const one of steps) {
        if ('add' in one) {
          last = `${one.add}`;
          ring = addKey(ring, keyOf(last), now);
        } else if ('use' in one) {
          const entry = ring[one.use];
          if (entry !== undefined) entry.usedAt = now;
        } else now += one.wait;
        ring = dropUnused(ring, now);
        assert.ok(ring.length <= RING_KEYS_MAX);
        assert.equal(new Set(names(ring)).size, ring.length);
        assert.equal(names(ring)[0] ?? null, last);
        const [, ...others] = ring;
        for (const { usedAt } of others) assert.ok(now - usedAt < RING_UNUSED_MS_MAX);
      }
    }),
  );
});
