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
  readonly #close: () => PromiseLike<void>;

  private constructor(store: JobStore, close: () => PromiseLike<void>) {
    this.#close = close;
    this.service = new ExportService({
      store,
      dispatch: this.dispatch,
      feed: new JobFeed(),
      clock: new ManualClock(),
      destinationPolicy: { refusal: () => null },
      newId: randomUUID,
      digest: (data, attemptsMax) => Buffer.concat([data, Buffer.from(String(attemptsMax))]),
      limits: { attemptsMax: 9, pendingMax: 3, waitingMax: 10, rateMax: 0, ageMsMax: 1_000_000 },
    });
  }

  static async open(wrap: (store: JobStore) => JobStore = (store) => store): Promise<Bench> {
    const temporary = await openTemporaryStore();
    return new Bench(wrap(temporary.store), () => temporary[Symbol.asyncDispose]());
  }

  submit(...requests: ExportRequest[]) {
    return this.service.submit(requests, 'app');
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
