import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe } from 'node:test';
import type { JobStore } from '../export/job-store.ts';
import type { LedgerEntryRecord } from '../export/ledger-store.ts';
import type { Rule } from '../export/rules.ts';
import { type EntryKind, type EventOf, type LedgerEntry, parseEntry } from '../ledger/entry.ts';
import { LedgerVerifier } from '../ledger/ledger-verifier.ts';
import { noteSigner } from '../ledger/note-key.ts';
import { rootOfInclusion } from '../ledger/proof.ts';
import { equalHashes } from '../ledger/tree-hash.ts';
import {
  at,
  bytes,
  claim,
  claimNew,
  finish,
  HOUR,
  insert,
  key,
  LANE,
  NOW,
  newJob,
  type OpenStore,
  OTHER_LANE,
  promisesOf,
  release,
  request,
  wait,
} from './job-store.contract.ts';

const LIMITS = { pendingMax: 1_000, acceptsNew: true, now: at(NOW) };
const MINUTE = 60_000;
const DAY = 24 * HOUR;
const YEARS_10 = 3_650 * DAY;
/** Of the log that the store under test has begun, with version 1.2.3 of the service. */
const FIRST_ORIGIN = 'test.example/export/1';
const EVERYTHING = { app: null, destination: null, note: 'the owner’s own words', createdAt: NOW };
/** Without these two an entry is its event. */
const FRAME = ['n', 'time', 'salt'];

/**
 * What every store promises of its ledger: what happened is in it, in the order in which it happened, and nothing that
 * did not.
 *
 * @param open gives a store whose ledger has begun, with the log {@link FIRST_ORIGIN}
 */
export function describeLedgerStore(name: string, open: OpenStore): void {
  const promises = promisesOf(open);

  describe(`${name}: what the ledger says of an export`, () => {
    promises('its acceptance, each attempt and its end, in this order', async (store) => {
      const job = newJob({ data: bytes('"personal"'), peer: '10.0.3.7' });
      await insert(store, job);
      const [first] = (await claim(store, LANE, 1, NOW)).jobs;
      await store.settle(wait(first, NOW + 1), request(0, NOW));
      const [again] = (await claim(store, LANE, 1, NOW + 1)).jobs;
      await store.settle(finish(again), request(0, NOW));
      const [accepted, failed, delivered, outcome, ...more] = await happened(store);
      const lane = { export: job.id, app: 'app', destination: LANE.destination };
      assert.deepEqual(more, []);
      const { digest, ...taken } = accepted as EventOf<'accepted'>;
      assert.deepEqual(taken, { kind: 'accepted', ...lane, bytes: 10, peer: '10.0.3.7' });
      const exchange = { address: '192.0.2.1', tls_fingerprint: 'ab'.repeat(32) };
      const tried = { kind: 'attempt', ...lane, started_at: time(NOW), bytes: 2, ...exchange };
      assert.deepEqual(failed, { ...tried, number: 1, status: null, error: 'connection_failed' });
      assert.deepEqual(delivered, { ...tried, number: 2, status: 200, error: null });
      assert.deepEqual(outcome, {
        kind: 'outcome',
        ...lane,
        state: 'delivered',
        bytes: 10,
        digest,
        accepted_at: time(NOW),
        attempts: 2,
        ...exchange,
        status: 200,
        error: null,
      });
    });

    promises('its payload by a digest that differs for the same payload, and by its size', async (store) => {
      await insert(store, newJob({ data: bytes('1') }), newJob({ data: bytes('1') }));
      const [one, other] = (await happened(store)) as EventOf<'accepted'>[];
      assert.equal(one?.bytes, 1);
      assert.notEqual(one?.digest, other?.digest);
    });

    promises('no app where the token named none, and no peer that is no address', async (store) => {
      await insert(store, newJob({ lane: { ...LANE, client: '' }, peer: 'somebody, somewhere' }));
      const [accepted] = (await happened(store)) as EventOf<'accepted'>[];
      assert.deepEqual([accepted?.app, accepted?.peer], [null, null]);
    });

    promises(
      'nothing of one that was refused, of a repeat, or of what is given back unsent',
      async (store) => {
        const job = newJob({ idempotency: key('k') });
        await insert(store, job);
        await insert(store, newJob({ idempotency: key('k') }));
        assert.equal(
          (await store.insert([newJob(), newJob()], { ...LIMITS, pendingMax: 1 })).kind,
          'refused',
        );
        const [claimed] = (await claim(store, LANE, 1, NOW)).jobs;
        await store.settle(release(claimed), request(0, NOW));
        assert.equal((await store.settle(finish(claimed), request(0, NOW))).settled, false, 'an old lease');
        assert.deepEqual(await kinds(store), ['accepted']);
      },
    );

    promises('an attempt that was cut off: nobody knows what left', async (store) => {
      await claimNew(store);
      await store.rescue(at(NOW + HOUR), 10);
      const [, attempt] = (await happened(store)) as EventOf<'attempt'>[];
      assert.deepEqual(
        [attempt?.kind, attempt?.number, attempt?.bytes, attempt?.address, attempt?.error],
        ['attempt', 1, null, null, 'answer_unknown'],
      );
    });

    promises('an end by age, with where its last attempt was', async (store) => {
      const [claimed] = await claimNew(store);
      await store.settle(wait(claimed, NOW + 1), request(0, NOW));
      await insert(store, newJob({ lane: OTHER_LANE }));
      await store.expire(at(NOW + 100 * HOUR), 10);
      const ends = (await happened(store)).filter(({ kind }) => kind === 'outcome') as EventOf<'outcome'>[];
      assert.deepEqual(
        ends.map(({ state, attempts, address, error }) => [state, attempts, address, error]).toSorted(),
        [
          ['undeliverable', 0, null, 'expired'],
          ['undeliverable', 1, '192.0.2.1', 'connection_failed'],
        ],
      );
    });
  });

  describe(`${name}: what the ledger says of the owner`, () => {
    promises('rules that are made and taken away, by whom, without the note', async (store) => {
      const rule: Rule = {
        ...EVERYTHING,
        kind: 'budget',
        id: randomUUID(),
        limit: 5,
        unit: 'bytes',
        per: 'day',
      };
      await store.owner.addRule(rule, 'anna');
      await store.owner.removeRule(rule.id, at(NOW), 0, null);
      await store.owner.removeRule(rule.id, at(NOW), 0, null);
      const fields = { type: 'budget', app: null, destination: null, limit: 5, unit: 'bytes', per: 'day' };
      assert.deepEqual(await happened(store), [
        { kind: 'rule', change: 'added', rule: rule.id, ...fields, by: 'anna' },
        { kind: 'rule', change: 'removed', rule: rule.id, ...fields, by: null },
      ]);
    });

    promises('a cancel, and the end that it makes at once or later', async (store) => {
      const [queued] = [newJob({ lane: OTHER_LANE })];
      await insert(store, queued);
      const [sending] = await claimNew(store);
      await store.owner.cancel(queued.id, at(NOW), 'anna');
      await store.owner.cancel(sending.id, at(NOW), 'anna');
      await store.owner.cancel(queued.id, at(NOW), 'anna');
      await store.settle(wait(sending, NOW + 1), request(0, NOW));
      const since = (await happened(store)).slice(2) as unknown as Record<string, string>[];
      assert.deepEqual(
        since.map((event) => [event.kind, event.export, event.result ?? event.state ?? null]),
        [
          ['cancel', queued.id, 'cancelled'],
          ['outcome', queued.id, 'cancelled'],
          ['cancel', sending.id, 'requested'],
          ['attempt', sending.id, null],
          ['outcome', sending.id, 'cancelled'],
        ],
      );
    });

    promises('the end of what a block stops', async (store) => {
      const job = newJob();
      await insert(store, job);
      await store.owner.addRule({ ...EVERYTHING, kind: 'block', id: randomUUID() }, null);
      await store.owner.endBlocked(at(NOW), 10);
      const [, , outcome] = (await happened(store)) as EventOf<'outcome'>[];
      assert.deepEqual(
        [outcome?.export, outcome?.state, outcome?.error],
        [job.id, 'blocked', 'blocked_by_owner'],
      );
    });

    promises('a payload that was sent once more, in the place of its acceptance', async (store) => {
      const job = newJob();
      await insert(store, job);
      const again = { id: randomUUID(), acceptedAt: NOW, expiresAt: NOW + HOUR };
      const result = await store.owner.redeliver(job.id, again, LIMITS, 'anna');
      assert.equal(result.kind, 'inserted');
      const [, redelivery, ...more] = (await happened(store)) as EventOf<'redelivery'>[];
      assert.deepEqual(more, []);
      assert.ok(redelivery?.kind === 'redelivery');
      const { export: id, redelivery_of: of, by, bytes: size } = redelivery;
      assert.deepEqual([id, of, by, size], [again.id, job.id, 'anna', 2]);
    });

    promises('refusals by a rule once a minute, counted, when the minute is over', async (store) => {
      const rule: Rule = { ...EVERYTHING, kind: 'block', id: randomUUID() };
      await store.owner.addRule(rule, null);
      for (let count = 0; count < 20; count += 1)
        await store.insert([newJob(), newJob()], { ...LIMITS, now: at(NOW + count) });
      await store.insert([newJob({ lane: OTHER_LANE })], LIMITS);
      await store.ledger.recordRefusals(NOW + 1, false);
      assert.deepEqual(await kinds(store), ['rule']);
      await store.ledger.recordRefusals(NOW + MINUTE, false);
      await store.ledger.recordRefusals(NOW + 2 * MINUTE, false);
      const refused = { kind: 'refused', minute: time(NOW), code: 'destination_refused', rule: rule.id };
      const [, ...minutes] = await happened(store);
      assert.deepEqual(minutes, [
        { ...refused, app: 'app', destination: LANE.destination, others: false, count: 40, bytes: 80 },
        { ...refused, app: 'app', destination: OTHER_LANE.destination, others: false, count: 1, bytes: 2 },
      ]);
    });

    promises('refusals by a setting, as those by a rule but without one', async (store) => {
      const code = 'destination_refused';
      await store.ledger.refused([{ lane: LANE, code, bytes: 3 }], NOW);
      await store.ledger.refused([{ lane: LANE, code, bytes: 4 }], NOW + 1);
      await store.ledger.recordRefusals(NOW + MINUTE, false);
      const { destination } = LANE;
      assert.deepEqual(await happened(store), [
        {
          kind: 'refused',
          minute: time(NOW),
          code,
          rule: null,
          app: 'app',
          destination,
          others: false,
          count: 2,
          bytes: 7,
        },
      ]);
    });

    promises('a budget that refuses; the counts of a minute that is not over at a stop', async (store) => {
      const rule: Rule = {
        ...EVERYTHING,
        kind: 'budget',
        id: randomUUID(),
        limit: 0,
        unit: 'exports',
        per: 'hour',
      };
      await store.owner.addRule(rule, null);
      assert.equal((await store.insert([newJob()], LIMITS)).kind, 'refused');
      await store.ledger.recordRefusals(NOW, true);
      const [, refused] = (await happened(store)) as EventOf<'refused'>[];
      assert.deepEqual([refused?.code, refused?.rule, refused?.count], ['budget_exhausted', rule.id, 1]);
    });

    promises('keys, in the step that writes them and only if it does', async (store) => {
      const changes = [{ purpose: 'signing', change: 'made', publicKey: 'abc', by: null }] as const;
      const record = { changes, now: NOW };
      await store.secrets.putIfAbsent('a', bytes('1'), record);
      await store.secrets.putIfAbsent('a', bytes('2'), record);
      await store.secrets.replace('a', bytes('3'), bytes('4'), record);
      const rotated = { purpose: 'signing', change: 'rotated', publicKey: 'def', by: 'anna' } as const;
      await store.secrets.replace('a', bytes('1'), bytes('4'), { changes: [rotated], now: NOW });
      const given = { purpose: 'root', change: 'given', publicKey: null, by: null } as const;
      await store.secrets.replace('b', null, bytes('5'), { changes: [given], now: NOW });
      await store.secrets.replace('b', null, bytes('6'), { changes: [given], now: NOW });
      assert.deepEqual(await happened(store), [
        { kind: 'key', purpose: 'signing', change: 'made', public_key: 'abc', by: null },
        { kind: 'key', purpose: 'signing', change: 'rotated', public_key: 'def', by: 'anna' },
        { kind: 'key', purpose: 'root', change: 'given', public_key: null, by: null },
      ]);
    });
  });

  describe(`${name}: the ledger as a log`, () => {
    promises('begins with itself and the start of the service', async (store) => {
      const [log, start] = await entriesOf(store);
      assert.ok(log?.kind === 'log' && log.origin === FIRST_ORIGIN && log.reason === 'first_log');
      assert.ok(start?.kind === 'start' && start.version === '1.2.3');
    });

    promises('goes on where it was when the store is opened again, and holds', async (store, context) => {
      for (let count = 0; count < 20; count += 1) {
        const [claimed] = await claimNew(store);
        await store.settle(finish(claimed), request(0, NOW));
      }
      const before = await store.ledger.head(null);
      const reopened = await context.reopen();
      await insert(reopened, newJob());
      const head = await verified(reopened);
      assert.equal(head.size, before.size + 2);
      assert.ok(equalHashes(await reopened.ledger.rootAt(FIRST_ORIGIN, before.size), before.root));
    });

    promises(
      'has a row for each step of many that share a commit, and none for one that failed',
      async (store) => {
        const job = newJob();
        const results = await Promise.allSettled([
          ...Array.from({ length: 30 }, () => insert(store, newJob())),
          insert(store, job),
          insert(store, job),
        ]);
        const failed = results.filter(({ status }) => status === 'rejected').length;
        assert.equal(failed, 1);
        assert.deepEqual(await kinds(store), Array(31).fill('accepted'));
        await verified(store);
      },
    );

    promises('tells after each commit how long it is', async (store) => {
      const sizes: number[] = [];
      const stop = store.ledger.onAppended((size) => sizes.push(size));
      await insert(store, newJob());
      await store.ping();
      await insert(store, newJob());
      stop();
      await insert(store, newJob());
      assert.deepEqual(sizes, [3, 4]);
    });

    promises('keeps the checkpoint that it is told of', async (store, context) => {
      await store.ledger.head({ note: 'a note', size: 2, isKept: true });
      const [log, ...others] = await (await context.reopen()).ledger.logs();
      assert.deepEqual(others, []);
      assert.deepEqual([log?.origin, log?.size, log?.checkpoint], [FIRST_ORIGIN, 3, 'a note']);
      assert.match(log?.verifierKey ?? '', /^test\.example\/export\/1\+[0-9a-f]{8}\+/);
    });

    promises('goes on in another log when that is said, and the first stays as it is', async (store) => {
      await insert(store, newJob());
      const before = await store.ledger.rootAt(FIRST_ORIGIN, 3);
      const second = 'test.example/export/2';
      const { verifierKey } = noteSigner(second, Buffer.alloc(32, 8));
      const previous = { origin: FIRST_ORIGIN, checkpoint: null, kept: 3 };
      const newLog = { origin: second, verifierKey, reason: 'no_outside_head', previous } as const;
      await store.ledger.begin({ instance: '', newLog, version: '1.2.4', now: NOW });
      await insert(store, newJob());
      const logs = await store.ledger.logs();
      assert.deepEqual(
        logs.map(({ origin, size }) => [origin, size]),
        [
          [FIRST_ORIGIN, 3],
          [second, 3],
        ],
      );
      assert.ok(equalHashes(await store.ledger.rootAt(FIRST_ORIGIN, 3), before));
      const [begun] = await store.ledger.entries(second, 0, 1);
      const entry = parseEntry(begun?.text ?? '');
      assert.ok(entry.kind === 'log');
      assert.deepEqual(entry.previous, previous);
    });

    promises('proves the end of an export to be in it, at any size that covers it', async (store) => {
      const [claimed] = await claimNew(store);
      assert.equal(await store.ledger.outcome(claimed.id), null);
      await store.settle(finish(claimed), request(0, NOW));
      for (let count = 0; count < 40; count += 1) await insert(store, newJob());
      const place = await store.ledger.outcome(claimed.id);
      assert.deepEqual(place, { origin: FIRST_ORIGIN, index: 4 });
      for (const size of [5, 6, 20, 45]) {
        const { text, index, leafHash: leaf, proof } = await store.ledger.proof(place, size);
        const entry = parseEntry(text ?? '');
        assert.ok(entry.kind === 'outcome' && entry.export === claimed.id);
        const root = rootOfInclusion({ index, size, leaf, proof });
        assert.ok(root !== null && equalHashes(root, await store.ledger.rootAt(FIRST_ORIGIN, size)));
      }
      assert.equal(await store.ledger.outcome(randomUUID()), null);
    });

    promises('is read by page', async (store) => {
      for (let count = 0; count < 5; count += 1) await insert(store, newJob());
      const page = async (from: number, limit: number) =>
        (await store.ledger.entries(FIRST_ORIGIN, from, limit)).map(({ index }) => index);
      assert.deepEqual(await page(0, 3), [0, 1, 2]);
      assert.deepEqual(await page(5, 3), [5, 6]);
      assert.deepEqual(await page(7, 3), []);
    });

    promises(
      'keeps texts that are old only by a clock that went on for years since the last entry',
      async (store, context) => {
        const [claimed] = await claimNew(store);
        await store.settle(finish(claimed), request(0, NOW));
        const reopened = await context.reopen();
        const [log] = await reopened.ledger.logs();
        // Ten years later, and a log whose last entry is as old.
        await reopened.ledger.begin({
          instance: log?.instance ?? '',
          newLog: null,
          version: '1.2.3',
          now: NOW + YEARS_10,
        });
        assert.equal(await reopened.ledger.erase(NOW + YEARS_10 - 8 * DAY, NOW + YEARS_10, 100), false);
        assert.ok((await recordsOf(reopened)).every(({ text }) => text !== null));
      },
    );

    promises('loses texts whose time is over, but the first; says so; and verifies on', async (store) => {
      for (let count = 0; count < 5; count += 1)
        await store.insert([newJob()], { ...LIMITS, now: at(NOW + count) });
      assert.equal(await store.ledger.erase(NOW + 3, NOW + 9, 2), true);
      assert.equal(await store.ledger.erase(NOW + 3, NOW + 9, 100), true);
      assert.equal(await store.ledger.erase(NOW + 3, NOW + 9, 100), false);
      const entries = await recordsOf(store);
      assert.deepEqual(
        entries.map(({ text }) => text !== null),
        [true, false, false, false, false, true, true, true, true],
      );
      const erasures = entries.slice(-2).map(({ text }) => parseEntry(text ?? ''));
      assert.deepEqual(
        erasures.map((entry) => entry.kind === 'erasure' && [entry.log, entry.before]),
        [
          [null, 3],
          [null, 5],
        ],
      );
      await verified(store);
    });

    promises('erases what is behind a long row of records of erasures too', async (store) => {
      for (let count = 0; count < 4; count += 1) await store.insert([newJob()], LIMITS);
      const size = (await recordsOf(store)).length;
      for (let count = 1; count < size; count += 1)
        assert.equal(await store.ledger.erase(NOW + 1, NOW + 2, 1), true);
      await store.insert([newJob()], { ...LIMITS, now: at(NOW + 3) });
      const kinds = async (): Promise<(string | null)[]> =>
        (await recordsOf(store)).map(({ text }) => (text === null ? null : parseEntry(text).kind));
      assert.equal((await kinds()).at(-1), 'accepted');

      let steps = 0;
      while (await store.ledger.erase(NOW + 4, NOW + 5, 2)) assert.ok(steps++ < 100, 'it comes to an end');
      const left = (await kinds()).filter((kind) => kind !== null);
      assert.equal(left[0], 'log');
      assert.deepEqual([...new Set(left.slice(1))], ['erasure']);
      await verified(store);
    });
  });
}

type Happened = { readonly kind: EntryKind } & object;

/** What happened since the service began, without places, times and salts. */
async function happened(store: JobStore): Promise<Happened[]> {
  const [log, start, ...entries] = await entriesOf(store);
  assert.deepEqual([log?.kind, start?.kind], ['log', 'start']);
  return entries.map((entry) =>
    Object.fromEntries(Object.entries(entry).filter(([field]) => !FRAME.includes(field))),
  ) as unknown as Happened[];
}

async function kinds(store: JobStore): Promise<EntryKind[]> {
  return (await entriesOf(store)).slice(2).map(({ kind }) => kind);
}

async function entriesOf(store: JobStore): Promise<LedgerEntry[]> {
  return (await recordsOf(store)).map(({ text }) => parseEntry(text ?? ''));
}

async function recordsOf({ ledger }: JobStore): Promise<readonly LedgerEntryRecord[]> {
  return ledger.entries(FIRST_ORIGIN, 0, 10_000);
}

/** Recomputes the log from its entries; it must come to the head that the store tells. */
async function verified(store: JobStore) {
  const { size, root } = await store.ledger.head(null);
  const verifier = new LedgerVerifier({ heads: [{ size, root, where: 'the store' }] });
  for (const entry of await recordsOf(store)) verifier.add(entry);
  const { flaw, covered, unexplainedErasure } = verifier.finish();
  assert.deepEqual([flaw, covered, unexplainedErasure], [null, size, null]);
  return { size, root };
}

function time(ms: number): string {
  return new Date(ms).toISOString();
}
