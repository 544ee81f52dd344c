import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { countingBytes, MemoryLedger } from '../../test/support/ledger/memory-ledger.ts';
import { CheckpointSigner, openCheckpoint, readUnverifiedCheckpoint } from './checkpoint.ts';
import { type Continuation, decideContinuation, type StoredLog } from './continuation.ts';
import { ENTRY_FORMAT } from './entry.ts';
import { noteSigner, parseVerifierKey } from './note-key.ts';
import { newOrigin, ORIGIN_RANDOM_BYTES } from './origin.ts';
import { parseNote, printNote } from './signed-note.ts';

const SEED = Buffer.alloc(32, 5);
const START = { kind: 'start', version: '1' } as const;

/** A log of the store, with `size` entries that say `story`. */
class Log {
  readonly ledger = new MemoryLedger();
  readonly origin: string;
  checkpoint: string | null = null;
  readonly #seed: Uint8Array;

  constructor(origin: string, size = 0, story = 'a', seed: Uint8Array = SEED) {
    this.origin = origin;
    this.#seed = seed;
    for (let n = 0; n < size; n += 1) this.ledger.append({ ...START, version: story });
  }

  get stored(): StoredLog {
    const { origin, checkpoint, ledger } = this;
    const { verifierKey } = noteSigner(origin, this.#seed);
    return { origin, verifierKey, size: ledger.head.size, checkpoint, rootAt: (size) => ledger.rootAt(size) };
  }

  note(): string {
    return new CheckpointSigner(noteSigner(this.origin, this.#seed), null).sign(this.ledger.head);
  }
}

const X = 'box.example/export/x';
const at = (note: string, where = 'data/ledger.head') => ({ where, note });

function decide(logs: readonly Log[], ...notes: readonly string[]): Continuation {
  return decideContinuation({ logs: logs.map((log) => log.stored), outside: notes.map((note) => at(note)) });
}

describe('a log goes on', () => {
  it('when a head of it was kept outside, and all its entries are in the store', () => {
    for (const outside of [1, 99, 100])
      assert.deepEqual(decide([new Log(X, 100)], new Log(X, outside).note()), { kind: 'continue' });
  });

  it('also when one of several places has an older head, or one of the log before', () => {
    const logs = [new Log('box/export/w', 7), new Log(X, 100)];
    const heads = [new Log(X, 100).note(), new Log(X, 3).note(), new Log('box/export/w', 9).note()];
    assert.deepEqual(decide(logs, ...heads), { kind: 'continue' });
  });
});

describe('a new log begins', () => {
  it('in a store that has none, and goes on from nothing', () => {
    assert.deepEqual(decide([]), { kind: 'new_log', reason: 'first_log', previous: null });
  });

  it('when the store is behind the head outside, as after a restore: it names the old log and its last checkpoint', () => {
    const note = new Log(X, 100).note();
    const previous = { origin: X, checkpoint: note, kept: 80 };
    assert.deepEqual(decide([new Log(X, 80)], note), { kind: 'new_log', reason: 'store_behind', previous });
  });

  it('behind the largest head, when several places have different ones', () => {
    const decision = decide(
      [new Log(X, 80)],
      new Log(X, 80).note(),
      new Log(X, 90).note(),
      new Log(X, 100).note(),
    );
    assert.ok(decision.kind === 'new_log');
    assert.equal(decision.previous?.checkpoint, new Log(X, 100).note());
  });

  it('when no head was kept outside: nobody can say whether the store is behind', () => {
    const log = new Log(X, 80);
    log.checkpoint = log.note();
    const previous = { origin: X, checkpoint: log.checkpoint, kept: 80 };
    assert.deepEqual(decide([log]), { kind: 'new_log', reason: 'no_outside_head', previous });
  });

  it('when the only head outside is older than what the store itself knows to be signed', () => {
    const log = new Log(X, 80);
    log.checkpoint = new Log(X, 60).note();
    assert.equal(decide([log], new Log(X, 60).note()).kind, 'continue');
    const decision = decide([log], new Log(X, 59).note());
    assert.deepEqual(
      [decision.kind, 'reason' in decision && decision.reason],
      ['new_log', 'no_outside_head'],
    );
  });

  it('when only the log before has a head outside: what was signed since is not known', () => {
    const w = new Log('box/export/w', 9);
    const decision = decide([w, new Log(X, 1)], w.note());
    assert.deepEqual(decision, {
      kind: 'new_log',
      reason: 'no_outside_head',
      previous: { origin: X, checkpoint: null, kept: 1 },
    });
  });

  it('when the head outside is of a log that this store has signed and forgotten: restored from an older copy', () => {
    const note = new Log('box.example/export/y', 30).note();
    const previous = { origin: 'box.example/export/y', checkpoint: note, kept: 0 };
    assert.deepEqual(decide([new Log(X, 80)], note), { kind: 'new_log', reason: 'store_behind', previous });
  });

  it('when the store is gone and the head outside is not: signed by a key that went with it', () => {
    const note = new Log(X, 100, 'a', Buffer.alloc(32, 6)).note();
    const previous = { origin: X, checkpoint: note, kept: 0 };
    assert.deepEqual(decide([], note), { kind: 'new_log', reason: 'store_behind', previous });
  });

  it("naming the checkpoint with the log's own signature, without those of witnesses", () => {
    const note = new Log(X, 100).note();
    const { text, signatures } = parseNote(note);
    const witness = { name: 'w.example', keyId: Buffer.alloc(4), signature: Buffer.alloc(2_428) };
    const decision = decide([new Log(X, 80)], printNote({ text, signatures: [witness, ...signatures] }));
    assert.equal(decision.kind === 'new_log' && decision.previous?.checkpoint, note);
  });
});

describe('the start is refused, with a message that says where and what to do', () => {
  const why = (...args: Parameters<typeof decide>): string => {
    const decision = decide(...args);
    assert.ok(decision.kind === 'refuse', JSON.stringify(decision));
    assert.match(decision.why, /^The head of the ledger in data\/ledger\.head .*move both away\.$/);
    return decision.why;
  };

  it('when the entries of the store are not those that were signed', () => {
    assert.match(why([new Log(X, 100, 'b')], new Log(X, 100).note()), /was signed for 100 entries/);
    assert.match(why([new Log(X, 120, 'b')], new Log(X, 100).note()), /was signed for 100 entries/);
  });

  it('also when another place has a head that agrees, or one that is ahead', () => {
    why([new Log(X, 100)], new Log(X, 100).note(), new Log(X, 90, 'b').note());
    why([new Log(X, 100)], new Log(X, 110).note(), new Log(X, 90, 'b').note());
  });

  it('when an older log of the store is not the one that was signed', () => {
    why(
      [new Log('box/export/w', 9, 'b'), new Log(X, 5)],
      new Log(X, 5).note(),
      new Log('box/export/w', 9).note(),
    );
  });

  it('when it is the head of another box, or of none', () => {
    const key = Buffer.alloc(32, 6);
    for (const note of [
      new Log('other.example/export/z', 3, 'a', key).note(),
      new Log(X, 3, 'a', key).note(),
      new Log(X, 3).note().replace('\n3\n', '\n2\n'),
      new Log(X, 3).note().slice(0, -1),
      '',
    ])
      assert.match(why([new Log(X, 100)], note), /is not a checkpoint that this store has signed/);
  });

  it('when a log of the store was signed under its name with the key of another log of the store', () => {
    const other = new Log('box/export/w', 9, 'a', Buffer.alloc(32, 6));
    why([other, new Log(X, 100)], new Log(X, 100, 'a', Buffer.alloc(32, 6)).note());
  });
});

describe('an origin', () => {
  it('is the name of the service and 16 hex digits', () => {
    assert.equal(newOrigin('Box.Example', Buffer.alloc(8, 0xab)), 'box.example/export/abababababababab');
    assert.equal(newOrigin('my box+1/ö', Buffer.alloc(8)), 'my-box-1--/export/0000000000000000');
    assert.equal(newOrigin('', Buffer.alloc(8)), 'export-service/export/0000000000000000');
    assert.throws(() => newOrigin('a', Buffer.alloc(4)), TypeError);
  });

  it('can be the name of a key, whatever the service is called', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }), (name) => {
        const origin = newOrigin(name, Buffer.alloc(8));
        assert.equal(parseVerifierKey(noteSigner(origin, SEED).verifierKey).name, origin);
      }),
    );
  });
});

/** One head that was signed, and the whole log that it was signed for. */
interface Signed {
  readonly size: number;
  readonly leaves: readonly string[];
}

function leavesOf(ledger: MemoryLedger): string[] {
  return ledger.rows.map(({ leafHash }) => Buffer.from(leafHash).toString('hex'));
}

type Store = readonly { origin: string; texts: readonly string[]; checkpoint: string | null }[];

/**
 * A box whose store is copied and restored, and whose head is kept in a file beside the store and far away. What is far
 * away is never restored and may be out of reach.
 */
class World {
  logs: Log[] = [];
  local: string | null = null;
  far: string | null = null;
  readonly copies: { store: Store; local: string | null }[] = [];
  readonly signed = new Map<string, Signed[]>();
  readonly #bytes = countingBytes();
  /** So that no two entries are alike. */
  #story = 0;
  #hasPlainCopies = false;

  append(): void {
    this.#story += 1;
    this.logs.at(-1)?.ledger.append({ ...START, version: String(this.#story) });
  }

  /** As the service does it: outside first, then the store hears of it. */
  sign(crashesBetween = false): void {
    const log = this.logs.at(-1);
    if (log === undefined) return;
    const note = log.note();
    const leaves = leavesOf(log.ledger);
    this.signed.set(log.origin, [...(this.signed.get(log.origin) ?? []), { size: leaves.length, leaves }]);
    this.local = note;
    this.far = note;
    if (!crashesBetween) log.checkpoint = note;
  }

  /** A backup has its head signed first; a copy of the file may hold entries that were never signed. */
  copy(isBackup: boolean): void {
    if (isBackup) this.sign();
    else this.#hasPlainCopies = true;
    const store = this.logs.map(({ origin, checkpoint, ledger }) => {
      return { origin, checkpoint, texts: ledger.rows.map(({ text }) => text ?? '') };
    });
    this.copies.push({ store, local: this.local });
  }

  restore(index: number, withLocal: boolean): void {
    const copy = this.copies[index % this.copies.length];
    if (copy === undefined) return;
    this.logs = copy.store.map(({ origin, checkpoint, texts }) => {
      const log = new Log(origin);
      for (const text of texts) {
        const { n: _n, time: _time, salt: _salt, ...event } = JSON.parse(text);
        log.ledger.append(event);
      }
      log.checkpoint = checkpoint;
      return log;
    });
    // Where nothing is known far away, as after a refusal, a head that was restored would have nobody to gainsay it.
    if (withLocal && this.far !== null) this.local = copy.local;
  }

  start(reachesFar: boolean): void {
    const places = [this.local, reachesFar ? this.far : null].filter((note) => note !== null);
    const decision = decide(this.logs, ...places);
    if (decision.kind === 'refuse') {
      this.#settleRefusal();
      return;
    }
    if (decision.kind === 'continue') this.sign();
    if (decision.kind !== 'new_log') return;
    this.#checkNamed(decision);
    const random = Buffer.alloc(ORIGIN_RANDOM_BYTES);
    this.#bytes(random);
    const log = new Log(newOrigin('box', random));
    const { reason, previous } = decision;
    if (reason === 'store_behind') this.local = previous?.checkpoint ?? null;
    log.ledger.append({ kind: 'log', format: ENTRY_FORMAT, origin: log.origin, reason, previous });
    this.logs.push(log);
  }

  /**
   * Entries that were never signed, brought back by a plain copy after others had been signed in their places. Somebody
   * moves the heads away, as the message says.
   */
  #settleRefusal(): void {
    assert.ok(this.#hasPlainCopies, 'a backup is never refused');
    const isContradicted = this.logs.some(({ origin, ledger }) => {
      const leaves = leavesOf(ledger);
      return this.signed.get(origin)?.some((head) => {
        return head.size <= leaves.length && !isDeepStrictEqual(head.leaves, leaves.slice(0, head.size));
      });
    });
    assert.ok(isContradicted, 'refused for a reason');
    this.local = null;
    this.far = null;
    this.start(true);
  }

  /** What was lost is named in full: the last head that was ever signed for that log. */
  #checkNamed({ reason, previous }: Continuation & { kind: 'new_log' }): void {
    if (reason !== 'store_behind' || previous?.checkpoint == null) return;
    const named = openCheckpoint(previous.checkpoint, [
      parseVerifierKey(noteSigner(previous.origin, SEED).verifierKey),
    ]);
    assert.equal(named.size, Math.max(...(this.signed.get(previous.origin) ?? []).map(({ size }) => size)));
    assert.ok(previous.kept < named.size);
  }

  /** No log has ever signed two heads of which one is not the beginning of the other. */
  assertNoFork(): void {
    for (const [origin, heads] of this.signed) {
      const longest = heads.reduce((one, other) => (other.size > one.size ? other : one));
      for (const { size, leaves } of heads)
        assert.deepEqual(leaves, longest.leaves.slice(0, size), `${origin} has signed two stories`);
    }
  }
}

/** Runs a world at random; returns why new logs began. */
function runWorlds(isBackup: fc.Arbitrary<boolean>): string[] {
  const restart = fc.record({
    kind: fc.constant('restart' as const),
    restore: fc.option(fc.nat(9), { nil: null }),
    local: fc.constantFrom('kept', 'lost', 'restored'),
    reachesFar: fc.boolean(),
  });
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ kind: 'append' as const }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('sign' as const), crashes: fc.boolean() }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('copy' as const), isBackup }) },
    { weight: 3, arbitrary: restart },
  );
  const reasons = new Set<string>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 5, maxLength: 40 }), (steps) => {
      const world = new World();
      world.start(true);
      for (const one of steps) {
        if (one.kind === 'append') world.append();
        else if (one.kind === 'copy') world.copy(one.isBackup);
        else if (one.kind === 'sign') {
          world.sign(one.crashes);
          if (one.crashes) world.start(true);
        } else {
          if (one.restore !== null) world.restore(one.restore, one.local === 'restored');
          if (one.local === 'lost') world.local = null;
          // A store and its head that are restored together look like nothing had happened: only far away is it known.
          world.start(one.reachesFar || one.local === 'restored');
        }
      }
      world.assertNoFork();
      for (const { ledger } of world.logs) {
        const first = JSON.parse(ledger.rows[0]?.text ?? '{}');
        if (first.kind === 'log') reasons.add(first.reason);
      }
    }),
    { numRuns: 500 },
  );
  return [...reasons].sort();
}

const ALL_REASONS = ['first_log', 'no_outside_head', 'store_behind'];

it('whatever is copied, restored, lost and cut off, no log ever signs two stories', () => {
  assert.deepEqual(runWorlds(fc.boolean()), ALL_REASONS);
});

it('nor is a start ever refused when the copies are backups', () => {
  assert.deepEqual(runWorlds(fc.constant(true)), ALL_REASONS);
});

it('a world without the rule would sign two stories: the test can fail', () => {
  const world = new World();
  world.start(true);
  world.append();
  world.sign();
  world.copy(true);
  world.append();
  world.sign();
  world.restore(0, false);
  world.append();
  world.append();
  world.sign();
  assert.throws(() => world.assertNoFork(), /two stories/);
  assert.equal(readUnverifiedCheckpoint(world.local ?? '').size, 4);
});
