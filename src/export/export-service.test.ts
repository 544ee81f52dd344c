import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { openTemporaryStore } from '../../test/support/temporary-store.ts';
import { parseDestination } from './destination.ts';
import type { Dispatch } from './dispatch.ts';
import { ExportError } from './errors.ts';
import { type ExportRequest, ExportService } from './export-service.ts';
import { type Lane, laneKey } from './job.ts';
import { JobFeed } from './job-feed.ts';
import type { ClaimedJob, JobStore } from './job-store.ts';

/** Writes down what it is asked, and gives a place when it is told to. */
class RecordingDispatch implements Dispatch {
  hasPlace = true;
  readonly sent: ClaimedJob[] = [];
  readonly queuedLanes: string[] = [];
  /** Places given and neither used nor given back. */
  placesOut = 0;

  reserve(_lane: Lane): number | null {
    if (!this.hasPlace) return null;
    this.placesOut += 1;
    return 1e15;
  }

  send(job: ClaimedJob): void {
    this.placesOut -= 1;
    this.sent.push(job);
  }

  cancel(_lane: Lane): void {
    this.placesOut -= 1;
  }

  queued(lane: Lane): void {
    this.queuedLanes.push(laneKey(lane));
  }
}

class Bench implements AsyncDisposable {
  readonly dispatch = new RecordingDispatch();
  readonly service: ExportService;
  readonly store: JobStore;
  /** By address: what is known of it. */
  readonly names = new Map<string, string>();
  readonly #close: () => PromiseLike<void>;

  private constructor(store: JobStore, close: () => PromiseLike<void>) {
    this.#close = close;
    this.store = store;
    this.service = new ExportService({
      store,
      dispatch: this.dispatch,
      feed: new JobFeed(),
      clock: new ManualClock(),
      destinationPolicy: { refusal: ({ host }) => (host === 'refused.example' ? 'Not there.' : null) },
      peerNames: { known: (address) => this.names.get(address) ?? null },
      newId: randomUUID,
      digest: (data, attemptsMax) => Buffer.concat([data, Buffer.from(String(attemptsMax))]),
      limits: { attemptsMax: 9, pendingMax: 3, waitingMax: 10, rateMax: 0, ageMsMax: 1_000_000 },
    });
  }

  /** Data stays after the end. */
  static async openKeeping(): Promise<Bench> {
    const temporary = await openTemporaryStore({ keepsPayloads: true });
    return new Bench(temporary.store, () => temporary[Symbol.asyncDispose]());
  }

  static async open(wrap: (store: JobStore) => JobStore = (store) => store): Promise<Bench> {
    const temporary = await openTemporaryStore();
    return new Bench(wrap(temporary.store), () => temporary[Symbol.asyncDispose]());
  }

  submit(...requests: ExportRequest[]) {
    return this.service.submit(requests, { client: 'app', peer: null });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}

function request(fields: Partial<ExportRequest> = {}): ExportRequest {
  const destination = parseDestination('https://a.example/in');
  return { destination, data: Buffer.from('{}'), attemptsMax: null, idempotencyKey: null, ...fields };
}

const LANE = laneKey({ client: 'app', destination: 'https://a.example/in' });

describe('ExportService: handing over what was taken in', () => {
  it('a job that finds a place is sent, and not also queued', async () => {
    await using bench = await Bench.open();
    const [job] = await bench.submit(request());
    assert.equal(job?.state, 'queued', 'the app hears of it as it was accepted');
    assert.deepEqual(
      bench.dispatch.sent.map(({ id }) => id),
      [job?.id],
    );
    assert.deepEqual(bench.dispatch.queuedLanes, []);
    assert.equal(bench.dispatch.placesOut, 0);
  });

  it('a job that finds none is announced as queued', async () => {
    await using bench = await Bench.open();
    bench.dispatch.hasPlace = false;
    await bench.submit(request());
    assert.deepEqual(bench.dispatch.sent, []);
    assert.deepEqual(bench.dispatch.queuedLanes, [LANE]);
  });

  it('a place that the store makes no use of is given back, and the job announced', async () => {
    await using bench = await Bench.open();
    bench.dispatch.hasPlace = false;
    await bench.submit(request());
    bench.dispatch.hasPlace = true;
    await bench.submit(request());
    assert.deepEqual(bench.dispatch.sent, [], 'another one is before it');
    assert.equal(bench.dispatch.placesOut, 0);
    assert.deepEqual(bench.dispatch.queuedLanes, [LANE, LANE]);
  });

  it('a repeat gives its place back and announces nothing', async () => {
    await using bench = await Bench.open();
    const [first] = await bench.submit(request({ idempotencyKey: 'k' }));
    const [repeat] = await bench.submit(request({ idempotencyKey: 'k' }));
    assert.equal(repeat?.id, first?.id);
    assert.equal(bench.dispatch.placesOut, 0);
    assert.deepEqual(bench.dispatch.queuedLanes, []);
  });

  it('a key that comes twice in a batch gives the first export twice, both as it was accepted', async () => {
    await using bench = await Bench.open();
    const jobs = await bench.submit(request({ idempotencyKey: 'k' }), request({ idempotencyKey: 'k' }));
    assert.deepEqual(
      jobs.map(({ id, state }) => [id, state]),
      [
        [jobs[0]?.id, 'queued'],
        [jobs[0]?.id, 'queued'],
      ],
    );
    assert.equal(bench.dispatch.placesOut, 0);
  });

  it('what is refused gives every place back', async () => {
    await using bench = await Bench.open();
    await assert.rejects(bench.submit(...Array.from({ length: 4 }, () => request())), {
      code: 'too_many_pending',
    });
    await bench.submit(request({ idempotencyKey: 'k' }));
    const other = request({ idempotencyKey: 'k', data: Buffer.from('1') });
    await assert.rejects(bench.submit(other), { code: 'idempotency_mismatch', element: 0 });
    assert.equal(bench.dispatch.placesOut, 0);
    assert.deepEqual(bench.dispatch.queuedLanes, []);
  });

  it('a destination that the settings refuse is on record, and nothing beside it is taken in', async () => {
    await using bench = await Bench.open();
    const refused = { ...request(), destination: parseDestination('https://refused.example/in') };
    const asked = bench.submit(request(), refused, request(), refused);
    await assert.rejects(asked, { code: 'destination_refused', message: 'Not there.', element: 1 });
    await bench.store.ledger.recordRefusals(0, true);
    const [log] = await bench.store.ledger.logs();
    const entries = await bench.store.ledger.entries(log?.origin ?? '', 0, 10);
    const { kind, app, rule, destination, count } = JSON.parse(entries.at(-1)?.text ?? '');
    assert.deepEqual(
      { kind, app, rule, destination, count },
      { kind: 'refused', app: 'app', rule: null, destination: 'https://refused.example/in', count: 2 },
    );
  });

  it('a store that fails gives every place back', async () => {
    await using bench = await Bench.open((store) =>
      Object.create(store, {
        insert: { value: () => Promise.reject(new ExportError('store_unavailable', 'gone')) },
      }),
    );
    await assert.rejects(bench.submit(request(), request()), { code: 'store_unavailable' });
    assert.equal(bench.dispatch.placesOut, 0);
  });

  it('the same key with another attempts_max is a mismatch, and left out is not the same as given', async () => {
    await using bench = await Bench.open();
    await bench.submit(request({ idempotencyKey: 'k' }));
    const given = request({ idempotencyKey: 'k', attemptsMax: 9 });
    await assert.rejects(bench.submit(given), { code: 'idempotency_mismatch' });
  });

  it('nothing is taken in once it stops', async () => {
    await using bench = await Bench.open();
    bench.service.stopAccepting();
    await assert.rejects(bench.submit(request()), { code: 'shutting_down' });
    assert.equal(bench.dispatch.placesOut, 0);
  });
});

describe('ExportService: who handed it in', () => {
  it('is on record by address, with the name that was known then', async () => {
    await using bench = await Bench.open();
    const submitFrom = async (peer: string | null) => {
      const [job] = await bench.service.submit([request()], { client: '', peer });
      return (await bench.store.owner.find(job?.id ?? ''))?.peer;
    };
    assert.equal(await submitFrom('172.18.0.5'), '172.18.0.5');
    bench.names.set('172.18.0.5', 'steps.databox');
    assert.equal(await submitFrom('172.18.0.5'), '172.18.0.5 (steps.databox)');
    assert.equal(await submitFrom(null), null);
  });
});

describe('ExportService: redelivering', () => {
  it('makes a new export that whoever sends hears of', async () => {
    await using bench = await Bench.openKeeping();
    const [first] = await bench.submit(request());
    bench.dispatch.queuedLanes.length = 0;
    const again = await bench.service.redeliver(first?.id ?? '');
    assert.equal(again.state, 'queued');
    assert.equal((await bench.store.owner.find(again.id))?.redeliveryOf, first?.id);
    assert.deepEqual(bench.dispatch.queuedLanes, [LANE]);
    assert.equal(Buffer.from((await bench.store.payload(again.id)) ?? []).toString(), '{}');
  });

  it('what is refused says why, and is announced to nobody', async () => {
    await using bench = await Bench.open();
    const now = { wall: 0, steady: 0 };
    const [job] = await bench.submit(request());
    const id = job?.id ?? '';
    bench.dispatch.queuedLanes.length = 0;
    await assert.rejects(bench.service.redeliver(randomUUID()), { code: 'unknown_export' });
    await assert.rejects(bench.service.redeliver('x'), { code: 'unknown_export' });
    const rule = {
      id: randomUUID(),
      kind: 'block',
      app: 'app',
      destination: null,
      note: null,
      createdAt: 0,
    } as const;
    await bench.store.owner.addRule(rule);
    await assert.rejects(bench.service.redeliver(id), {
      code: 'destination_refused',
      message: /rules list/,
    });
    await bench.store.owner.removeRule(rule.id, now, 0);
    await bench.store.owner.cancel(id, now);
    await bench.store.recover(now, { retryMs: 0, ageMs: 1e15, keyMs: 0 });
    await assert.rejects(bench.service.redeliver(id), { code: 'payload_erased', message: /--keep-payloads/ });
    const destination = parseDestination('https://refused.example/in');
    const lane = { client: 'app', destination: destination.uri };
    const other = { id: randomUUID(), lane, peer: null, data: Buffer.from('1'), attemptsMax: 1 };
    const times = { acceptedAt: 0, expiresAt: 1e15, idempotency: null, claimUntil: null };
    await bench.store.insert([{ ...other, ...times }], { pendingMax: 9, acceptsNew: true, now });
    await assert.rejects(bench.service.redeliver(other.id), {
      code: 'destination_refused',
      message: 'Not there.',
    });
    bench.service.stopAccepting();
    await assert.rejects(bench.service.redeliver(id), { code: 'shutting_down' });
    assert.deepEqual(bench.dispatch.queuedLanes, []);
  });
});
