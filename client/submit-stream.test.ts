/** Streams against a real HTTP server that judges batches as the service does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  ExportClient,
  ExportClientError,
  type ExportClientOptions,
  type NewExport,
  type StreamResult,
} from './index.ts';
import { type FakeService, type Reply, type SeenRequest, startFakeService } from './support/fake-service.ts';

const destination = 'https://a.example/in';

interface Sent {
  data: string;
  idempotency_key: string;
}

function sent({ body }: SeenRequest): Sent[] {
  return body as Sent[];
}

function acceptAll(request: SeenRequest): Reply {
  return {
    json: sent(request).map(({ data }) => ({ id: `id-${data}`, state: 'Pending', ext_response: {} })),
  };
}

function problem(status: number, code: string, detail: string, headers: Record<string, string> = {}): Reply {
  return { status, headers, json: { status, code, detail } };
}

interface Setup extends AsyncDisposable {
  client: ExportClient;
  service: FakeService;
  slept: number[];
}

async function setUp(
  judge: (request: SeenRequest) => Reply | Promise<Reply>,
  options: Partial<ExportClientOptions> = {},
): Promise<Setup> {
  const service = await startFakeService(judge);
  const slept: number[] = [];
  const client = new ExportClient({
    url: service.url,
    token: 't',
    ...options,
    repeat: { sleep: async (ms) => void slept.push(ms), backoffMs: () => 1, ...options.repeat },
  });
  return { client, service, slept, [Symbol.asyncDispose]: () => service[Symbol.asyncDispose]() };
}

function numbers(count: number): NewExport<number>[] {
  return Array.from({ length: count }, (_, data) => ({ destination, data }));
}

/** Tells how far it has been read. */
class Source implements AsyncIterable<NewExport<number>> {
  pulled = 0;
  isClosed = false;
  readonly #count: number;

  constructor(count: number) {
    this.#count = count;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<NewExport<number>> {
    try {
      while (this.pulled < this.#count) {
        this.pulled += 1;
        yield { destination, data: this.pulled - 1 };
      }
    } finally {
      this.isClosed = true;
    }
  }
}

async function collect<T>(results: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const result of results) all.push(result);
  return all;
}

function told(results: StreamResult<NewExport<number>>[]): unknown[] {
  return results.map((result) => {
    if (result.accepted) return result.status.id;
    return result.error instanceof ExportClientError ? result.error.code : result.error.name;
  });
}

test('a stream is accepted in the order of its source, in batches that fill while requests are under way', async () => {
  await using setup = await setUp(acceptAll);
  const results = await collect(setup.client.submitStream(numbers(1_000), { batchMax: 64 }));
  assert.deepEqual(
    results.map(({ index }) => index),
    numbers(1_000).map(({ data }) => data),
  );
  assert.deepEqual(
    told(results),
    numbers(1_000).map(({ data }) => `id-${data}`),
  );
  const sizes = setup.service.seen.map((request) => sent(request).length);
  assert.equal(Math.max(...sizes), 64);
  assert.ok(sizes.length < 30, `${sizes.length} requests`);
  const all = setup.service.seen.flatMap(sent);
  assert.deepEqual(
    all.map(({ data }) => Number(data)),
    numbers(1_000).map(({ data }) => data),
  );
  assert.equal(new Set(all.map(({ idempotency_key: key }) => key)).size, 1_000);
});

test('the source is read no faster than the results are', async () => {
  await using setup = await setUp(acceptAll);
  const source = new Source(10_000);
  const results = setup.client.submitStream(source, { batchMax: 10, concurrency: 2 });
  for (let read = 0; read < 5; read += 1) await results.next();
  for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  // Five read, their batch, two under way, one collected.
  assert.ok(source.pulled <= 5 + 4 * 10, `${source.pulled} pulled`);
  await results.return();
  assert.equal(source.isClosed, true);
});

test('a 429 is waited out as told, however often, and uses up no try', async () => {
  let refusals = 20;
  await using setup = await setUp((request) => {
    if (refusals === 0) return acceptAll(request);
    refusals -= 1;
    return problem(429, 'too_many_pending', 'The lane is full.', { 'retry-after': '5' });
  });
  assert.equal((await collect(setup.client.submitStream(numbers(3)))).length, 3);
  assert.deepEqual(setup.slept.slice(0, 20), Array(20).fill(5_000));
});

test('a single Retry-After beyond the bound ends a stream', async () => {
  await using setup = await setUp(() =>
    problem(429, 'budget_exhausted', 'Tomorrow.', { 'retry-after': '3600' }),
  );
  await assert.rejects(collect(setup.client.submitStream(numbers(1))), { code: 'budget_exhausted' });
  assert.deepEqual(setup.slept, []);
});

test('an export that is refused is told in its place, and the others are accepted under their keys', async () => {
  await using setup = await setUp((request) => {
    const bad = sent(request).findIndex(({ data }) => data === '3' || data === '5');
    if (bad < 0) return acceptAll(request);
    return problem(400, 'invalid_request', `It is bad. (element ${bad})`);
  });
  const results = await collect(setup.client.submitStream(numbers(8)));
  assert.deepEqual(told(results), [
    'id-0',
    'id-1',
    'id-2',
    'invalid_request',
    'id-4',
    'invalid_request',
    'id-6',
    'id-7',
  ]);
  assert.deepEqual(
    results.map(({ index }) => index),
    [0, 1, 2, 3, 4, 5, 6, 7],
  );
  const keys = new Map<string, Set<string>>();
  for (const { data, idempotency_key: key } of setup.service.seen.flatMap(sent)) {
    keys.set(data, (keys.get(data) ?? new Set()).add(key));
  }
  for (const [data, used] of keys) assert.equal(used.size, 1, `export ${data} kept its key`);
});

test('a batch that is too large is halved, down to the export that is too large alone', async () => {
  await using setup = await setUp((request) => {
    const length = sent(request).reduce((sum, { data }) => sum + data.length, 0);
    return length > 100 ? problem(413, 'payload_too_large', 'Too large.') : acceptAll(request);
  });
  const texts = ['a', 'b'.repeat(60), 'c'.repeat(60), 'd'.repeat(200), 'e'].map((data) => ({
    destination,
    data,
  }));
  const results = await collect(setup.client.submitStream(texts));
  assert.deepEqual(
    results.map(({ accepted }) => accepted),
    [true, true, true, false, true],
  );
});

test('what can never be right is a result and no end', async () => {
  await using setup = await setUp(acceptAll);
  const loop: { self?: unknown } = {};
  loop.self = loop;
  const submissions = [
    { destination, data: 1 },
    { destination: '', data: 2 },
    { destination, data: loop },
  ];
  const results = await collect(setup.client.submitStream(submissions as NewExport<number>[]));
  assert.deepEqual(told(results), ['id-1', 'TypeError', 'TypeError']);
});

test('a refusal that is about no export in particular ends the stream, after what was accepted before', async () => {
  await using setup = await setUp((request) =>
    setup.service.seen.length === 1 ? acceptAll(request) : problem(401, 'invalid_token', 'It ran out.'),
  );
  const source = new Source(1_000);
  const results: unknown[] = [];
  await assert.rejects(
    async () => {
      for await (const { index } of setup.client.submitStream(source, { batchMax: 1 })) results.push(index);
    },
    { code: 'invalid_token' },
  );
  assert.deepEqual(results, [0]);
  assert.equal(source.isClosed, true);
  assert.ok(source.pulled < 5);
});

test("the source's error is thrown after everything before it was handed over and told", async () => {
  await using setup = await setUp(acceptAll);
  async function* failing(): AsyncGenerator<NewExport<number>> {
    yield* numbers(25);
    throw new Error('the sensor is gone');
  }
  const results: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { index } of setup.client.submitStream(failing(), { batchMax: 10 })) {
        results.push(index);
      }
    },
    { message: 'the sensor is gone' },
  );
  assert.deepEqual(
    results,
    numbers(25).map(({ data }) => data),
  );
});

test('a lost answer is asked for again with the same keys', async () => {
  let isLost = true;
  await using setup = await setUp((request) => {
    if (!isLost) return acceptAll(request);
    isLost = false;
    return 'cut off';
  });
  await collect(setup.client.submitStream(numbers(1)));
  const [first, second] = setup.service.seen;
  assert.deepEqual(second?.body, first?.body);
});

test('several requests are under way at once, and the results keep the order of the source', async () => {
  const open: (() => void)[] = [];
  await using setup = await setUp(async (request) => {
    // Held until three are there, then answered last first.
    const answered = new Promise<void>((resolve) => open.push(resolve));
    if (open.length === 3) for (const answer of open.toReversed()) answer();
    await answered;
    return acceptAll(request);
  });
  const results = await collect(setup.client.submitStream(numbers(3), { batchMax: 1, concurrency: 3 }));
  assert.deepEqual(told(results), ['id-0', 'id-1', 'id-2']);
});

test('an aborted signal ends a stream with its reason, while it waits for its source or for the service', async () => {
  await using setup = await setUp(() => 'silence');
  const reason = new Error('enough');
  const waiting = new AbortController();
  const read = collect(setup.client.submitStream(numbers(1), { signal: waiting.signal }));
  while (setup.service.seen.length === 0) await new Promise(setImmediate);
  waiting.abort(reason);
  await assert.rejects(read, (error) => error === reason);

  const idle = new AbortController();
  let isClosed = false;
  const never: AsyncIterable<NewExport<number>> = {
    [Symbol.asyncIterator]: () => ({
      next: () => new Promise(() => {}),
      return: async () => {
        isClosed = true;
        return { done: true, value: undefined };
      },
    }),
  };
  const idling = collect(setup.client.submitStream(never, { signal: idle.signal }));
  await new Promise(setImmediate);
  idle.abort(reason);
  await assert.rejects(idling, (error) => error === reason);
  assert.equal(isClosed, true);
  const late = setup.client.submitStream(numbers(1), { signal: AbortSignal.abort(reason) });
  await assert.rejects(collect(late), (error) => error === reason);
});

test('bounds that make no sense are mistakes of the caller', async () => {
  await using setup = await setUp(acceptAll);
  for (const options of [{ batchMax: 0 }, { batchMax: 1_001 }, { batchMax: 1.5 }, { concurrency: 0 }]) {
    assert.throws(() => setup.client.submitStream(numbers(1), options), TypeError);
  }
});
