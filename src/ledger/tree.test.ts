import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MemoryLedger } from '../../test/support/ledger/memory-ledger.ts';
import { sampleEvent } from '../../test/support/ledger/sample-events.ts';
import { levelOf, splitPoint, subtreeCount } from './arithmetic.ts';
import { Frontier } from './frontier.ts';
import { consistencyProof, inclusionProof, isConsistent, rootOfInclusion } from './proof.ts';
import { rangesOf, STORED_LEVELS, StoredHashes } from './stored-hashes.ts';
import { EMPTY_ROOT, equalHashes, leafHash, type TreeHash } from './tree-hash.ts';
import vectors from './vectors/ledger.json' with { type: 'json' };

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'base64');

const LARGEST = 700;
const { ledger, leaves } = makeLedger(LARGEST);

function makeLedger(size: number) {
  const made = new MemoryLedger();
  for (let n = 0; n < size; n += 1) made.append(sampleEvent(n));
  return { ledger: made, leaves: made.rows.map((row) => row.leafHash) };
}

/** The tree as RFC 6962 defines it, word for word and without any of our code. */
function plainRoot(hashes: readonly Uint8Array[]): Uint8Array {
  const sha256 = (...parts: (string | Uint8Array)[]) =>
    parts.reduce((hash, part) => hash.update(part), createHash('sha256')).digest();
  if (hashes.length === 0) return sha256('');
  if (hashes.length === 1) return hashes[0] as Uint8Array;
  let k = 1;
  while (k * 2 < hashes.length) k *= 2;
  return sha256('\x01', plainRoot(hashes.slice(0, k)), plainRoot(hashes.slice(k)));
}

function frontierOf(hashes: readonly TreeHash[]): Frontier {
  const frontier = new Frontier();
  for (const hash of hashes) frontier.append(hash);
  return frontier;
}

describe('the vectors, made by an implementation that is not ours', () => {
  it('the empty tree, every leaf and every root', () => {
    assert.equal(base64(EMPTY_ROOT), vectors.empty);
    const frontier = new Frontier();
    assert.equal(vectors.entries.length, 33);
    for (const [n, entry] of vectors.entries.entries()) {
      assert.equal(base64(leafHash(entry)), vectors.leaf[n]);
      frontier.append(leafHash(entry));
      assert.equal(base64(frontier.root()), vectors.roots[n]);
    }
  });

  const stored = new StoredHashes([
    {
      range: { level: 0, from: 0, count: vectors.leaf.length },
      hashes: vectors.leaf.map(bytesOf),
    },
    // No hash of a higher level: the subtrees asked for below are all computed from leaves, or are these.
    ...nodesOf(vectors.leaf.map(bytesOf)),
  ]);

  it('every inclusion proof: ours is the same, theirs is accepted', () => {
    assert.equal(vectors.inclusion.length, 31);
    for (const { index, size, proof } of vectors.inclusion) {
      const ours = inclusionProof(index, size).map((subtree) => stored.hashOf(subtree));
      assert.deepEqual(ours.map(base64), proof);
      const leaf = bytesOf(vectors.leaf[index] ?? '');
      const root = rootOfInclusion({ index, size, leaf, proof: proof.map(bytesOf) });
      assert.equal(root && base64(root), vectors.roots[size - 1]);
    }
  });

  it('every consistency proof: ours is the same, theirs is accepted', () => {
    assert.equal(vectors.consistency.length, 37);
    for (const { old, size, proof } of vectors.consistency) {
      const ours = consistencyProof(old, size).map((subtree) => stored.hashOf(subtree));
      assert.deepEqual(ours.map(base64), proof);
      const headAt = (n: number) => ({ size: n, root: bytesOf(vectors.roots[n - 1] ?? '') });
      assert.ok(isConsistent(headAt(old), headAt(size), proof.map(bytesOf)), `${old} ${size}`);
    }
  });
});

/** What a store would have above these leaves. */
function nodesOf(hashes: readonly TreeHash[]) {
  const level = STORED_LEVELS;
  const nodes: TreeHash[] = [];
  const frontier = new Frontier();
  for (const hash of hashes)
    frontier.append(hash, (at, _, node) => {
      if (at === level) nodes.push(node);
    });
  return [{ range: { level, from: 0, count: nodes.length }, hashes: nodes }];
}

describe('a tree that grows', () => {
  it('has the root that the RFC defines, at every size', () => {
    for (let size = 0; size <= 300; size += 1) {
      const plain = base64(plainRoot(leaves.slice(0, size)));
      assert.equal(base64(frontierOf(leaves.slice(0, size)).root()), plain);
      assert.equal(base64(ledger.rootAt(size)), plain, `from what is stored, ${size}`);
    }
  });

  it('costs less than one hash of a node for each leaf, and reports each subtree once', () => {
    const seen = new Set<string>();
    const frontier = new Frontier();
    for (const leaf of leaves)
      frontier.append(leaf, (level, index) => {
        assert.ok(!seen.has(`${level}/${index}`));
        seen.add(`${level}/${index}`);
      });
    assert.equal(seen.size, LARGEST - subtreeCount(LARGEST));
    assert.equal(frontier.peaks.length, subtreeCount(LARGEST));
  });

  it('goes on from what is stored as if it had never stopped', () => {
    for (const size of [0, 1, 15, 16, 17, 255, 256, 257, 511, 699]) {
      const all = { start: 0, end: size };
      const frontier = new Frontier(size, ledger.storedHashes([all]).peaksOf(all));
      for (const leaf of leaves.slice(size)) frontier.append(leaf);
      assert.deepEqual(frontier.root(), ledger.head.root);
    }
  });

  it('refuses peaks that are none of its size', () => {
    assert.throws(() => new Frontier(3, [leaves[0] as TreeHash]), TypeError);
  });

  it('a copy goes its own way', () => {
    const one = frontierOf(leaves.slice(0, 7));
    const other = one.copy();
    other.append(leaves[7] as TreeHash);
    assert.equal(one.size, 7);
    assert.deepEqual(one.root(), frontierOf(leaves.slice(0, 7)).root());
    assert.deepEqual(other.root(), frontierOf(leaves.slice(0, 8)).root());
  });
});

describe('proofs', () => {
  it('of every entry in every size up to 100, and of random larger ones, lead to the root', () => {
    const check = (index: number, size: number): void => {
      const proof = ledger.proveInclusion(index, size);
      const root = rootOfInclusion({ index, size, leaf: leaves[index] as TreeHash, proof });
      assert.ok(root && equalHashes(root, ledger.rootAt(size)), `${index} of ${size}`);
    };
    for (let size = 1; size <= 100; size += 1)
      for (let index = 0; index < size; index += 1) check(index, size);
    const place = fc.integer({ min: 1, max: LARGEST });
    fc.assert(fc.property(place, fc.nat(), (size, n) => check(n % size, size)));
  });

  it('between every two sizes up to 100, and random larger ones, show that one begins with the other', () => {
    const check = (old: number, size: number): void => {
      const proof = ledger.proveConsistency(old, size);
      const heads = [old, size].map((n) => ({ size: n, root: ledger.rootAt(n) }));
      assert.ok(isConsistent(heads[0] as never, heads[1] as never, proof), `${old} ${size}`);
    };
    for (let size = 0; size <= 100; size += 1) for (let old = 0; old <= size; old += 1) check(old, size);
    const place = fc.nat(LARGEST);
    fc.assert(fc.property(place, place, (a, b) => check(Math.min(a, b), Math.max(a, b))));
  });

  it('that were changed, cut, prolonged or moved prove nothing', () => {
    const size = fc.integer({ min: 2, max: LARGEST });
    fc.assert(
      fc.property(
        size,
        fc.nat(),
        fc.nat(),
        fc.constantFrom('change', 'cut', 'add', 'move', 'leaf'),
        (n, i, at, how) => {
          const index = i % n;
          const proof = ledger.proveInclusion(index, n);
          const leaf = leaves[index] as TreeHash;
          const broken = breakProof({ index, size: n, leaf, proof }, how, at);
          const root = rootOfInclusion(broken);
          assert.ok(root === null || !equalHashes(root, ledger.rootAt(n)));
        },
      ),
    );
  });

  it('of consistency that were changed, cut or prolonged prove nothing, nor for another head', () => {
    const size = fc.integer({ min: 2, max: LARGEST });
    fc.assert(
      fc.property(
        size,
        fc.nat(),
        fc.nat(),
        fc.constantFrom('change', 'cut', 'add', 'old', 'new'),
        (n, i, at, how) => {
          const old = 1 + (i % (n - 1));
          let proof = ledger.proveConsistency(old, n);
          const heads = {
            old: { size: old, root: ledger.rootAt(old) },
            new: { size: n, root: ledger.rootAt(n) },
          };
          if (how === 'old' || how === 'new') heads[how] = { ...heads[how], root: flip(heads[how].root, at) };
          else proof = breakHashes(proof, how, at);
          assert.ok(!isConsistent(heads.old, heads.new, proof));
        },
      ),
    );
  });

  it('for places that there are not are refused', () => {
    for (const [index, size] of [
      [0, 0],
      [1, 1],
      [-1, 1],
      [0.5, 1],
      [0, 2 ** 53],
    ] as const) {
      assert.throws(() => inclusionProof(index, size), TypeError);
      assert.equal(rootOfInclusion({ index, size, leaf: EMPTY_ROOT, proof: [] }), null);
    }
    assert.throws(() => consistencyProof(2, 1), TypeError);
    assert.ok(!isConsistent({ size: 2, root: EMPTY_ROOT }, { size: 1, root: EMPTY_ROOT }, []));
    assert.ok(isConsistent({ size: 0, root: EMPTY_ROOT }, { size: 1, root: leafHash('') }, []));
    assert.ok(!isConsistent({ size: 0, root: leafHash('') }, { size: 1, root: leafHash('') }, []));
  });

  it('work for logs beyond 32 bits, where shifts and logarithms go wrong', () => {
    const place = fc.integer({ min: 2, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(place, fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (size, part) => {
        const index = Math.floor(part * size);
        const subtrees = inclusionProof(index, size);
        const leavesInAll = subtrees.reduce((sum, { start, end }) => sum + BigInt(end - start), 1n);
        assert.equal(leavesInAll, BigInt(size));
        const proof = subtrees.map(() => EMPTY_ROOT);
        assert.notEqual(rootOfInclusion({ index, size, leaf: EMPTY_ROOT, proof }), null);
        assert.equal(rootOfInclusion({ index, size, leaf: EMPTY_ROOT, proof: [...proof, EMPTY_ROOT] }), null);
        for (const { from, count } of rangesOf(subtrees)) assert.ok(from + count <= size);
      }),
    );
    for (const power of [2 ** 31, 2 ** 32, 2 ** 48, 2 ** 52]) {
      assert.deepEqual([levelOf(power - 1), levelOf(power)], [Math.log2(power) - 1, Math.log2(power)]);
      assert.deepEqual([splitPoint(power), splitPoint(power + 1)], [power / 2, power]);
    }
  });
});

describe('what is stored', () => {
  it('is one hash for each 16 entries and each 256, besides those of the entries', () => {
    assert.equal(STORED_LEVELS, 4);
    assert.equal(ledger.nodes.size, Math.floor(LARGEST / 16) + Math.floor(LARGEST / 256));
  });

  it('suffices for a proof with at most two reads a level', () => {
    for (let index = 0; index < LARGEST; index += 7) {
      const ranges = rangesOf(inclusionProof(index, LARGEST));
      for (const level of [0, 4, 8])
        assert.ok(ranges.filter((range) => range.level === level).length <= 2, JSON.stringify(ranges));
      assert.ok(ranges.reduce((sum, { count }) => sum + count, 0) <= 3 * 3 * 16);
    }
  });

  it('when some of it is lost, no proof is made of the rest', () => {
    const wanted = [{ start: 0, end: 100 }];
    const [range] = rangesOf(wanted);
    assert.ok(range);
    assert.throws(() => new StoredHashes([{ range, hashes: [] }]), /0 are there/);
    assert.throws(() => new StoredHashes([]).hashOf({ start: 0, end: 1 }), /was not read/);
  });
});

function flip(hash: TreeHash, at: number): TreeHash {
  const changed = Uint8Array.from(hash);
  const place = at % changed.length;
  changed[place] = (changed[place] ?? 0) ^ (1 << (at % 8));
  return changed;
}

function breakHashes(proof: readonly TreeHash[], how: 'change' | 'cut' | 'add', at: number): TreeHash[] {
  const place = at % Math.max(proof.length, 1);
  if (how === 'add' || proof.length === 0) return proof.toSpliced(place, 0, EMPTY_ROOT);
  if (how === 'cut') return proof.toSpliced(place, 1);
  return proof.with(place, flip(proof[place] as TreeHash, at));
}

type Inclusion = Parameters<typeof rootOfInclusion>[0];

function breakProof(
  inclusion: Inclusion,
  how: 'change' | 'cut' | 'add' | 'move' | 'leaf',
  at: number,
): Inclusion {
  if (how === 'leaf') return { ...inclusion, leaf: flip(inclusion.leaf, at) };
  if (how !== 'move') return { ...inclusion, proof: breakHashes(inclusion.proof, how, at) };
  const moved = (inclusion.index + 1 + (at % (inclusion.size - 1))) % inclusion.size;
  return { ...inclusion, index: moved };
}
