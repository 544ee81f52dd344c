/**
 * What the compiler must take, and what it must object to: each line under `@ts-expect-error` that compiled would be an
 * error itself. Never run. The package's test compiles it once more against the published declarations.
 */
import {
  ExportClient,
  ExportClientError,
  type ExportStatus,
  type NewExport,
  type StreamResult,
} from '../index.ts';

const destination = 'https://a.example/in';

interface Day {
  readonly steps: number;
  readonly note?: string;
  readonly rooms: readonly { readonly name: string; readonly celsius: number | null }[];
  readonly at: Date;
}

declare const client: ExportClient;
declare const day: Day;
declare const unfinished: Promise<Day>;
declare function readings(): AsyncGenerator<NewExport<Day>>;

export async function rightUse(): Promise<void> {
  await client.submit({ destination, data: day });
  await client.submit({ destination, data: { any: ['JSON', 1, true, null, { deep: [] }] } });
  await client.submit({ destination, data: JSON.parse('1') });
  await client.submit({ destination, json: '{"celsius": 36.60}' });
  await client.submit({ destination, json: new Uint8Array(), attemptsMax: 1, idempotencyKey: 'k' });
  await client.submitMany([
    { destination, data: 1 },
    { destination, data: { word: 'x' } },
    { destination, json: '2' },
  ]);
  const typed: NewExport<Day>[] = [{ destination, data: day }];
  await client.submitMany(typed);
  const plain: NewExport = { destination, data: { plain: 1 } };
  await client.submit(plain);
  for await (const result of client.submitStream(readings(), { concurrency: 2 })) {
    if (result.accepted) result.status.id satisfies string;
    else result.error.message satisfies string;
    result.submission.data?.steps satisfies number | undefined;
  }
  for await (const _ of client.submitStream(typed)) break;
  const { answer } = await client.submitAndWait({ destination, data: day }, { timeoutMs: Infinity });
  answer.status satisfies number;
  new ExportClient({ url: 'http://x.example', token: ({ refused }) => refused ?? 'first' });
  ExportClient.fromEnvironment({ path: '/lp/export' });
}

export async function wrongUse(status: ExportStatus, result: StreamResult<NewExport>): Promise<void> {
  // @ts-expect-error no address
  new ExportClient({ token: 't' });
  // @ts-expect-error no token
  new ExportClient({ url: 'http://x.example' });
  // @ts-expect-error no path that a token could be for
  new ExportClient({ url: 'http://x.example', token: 't', path: '/exports' });
  // @ts-expect-error misspelt option
  new ExportClient({ url: 'http://x.example', token: 't', timeoutMs: 1 });

  // @ts-expect-error no destination
  await client.submit({ data: 1 });
  // @ts-expect-error nothing to export
  await client.submit({ destination });
  // @ts-expect-error a value and a text: which?
  await client.submit({ destination, data: 1, json: '1' });
  // @ts-expect-error a value is no JSON text
  await client.submit({ destination, json: { a: 1 } });
  // @ts-expect-error a forgotten await would export {}
  await client.submit({ destination, data: unfinished });
  // @ts-expect-error a map would be exported as {}
  await client.submit({ destination, data: new Map([['a', 1]]) });
  // @ts-expect-error bytes would be exported as {"0": …}: JSON bytes go in json
  await client.submit({ destination, data: new Uint8Array(2) });
  // @ts-expect-error JSON has no such integers
  await client.submit({ destination, data: 1n });
  // @ts-expect-error nothing
  await client.submit({ destination, data: undefined });
  // @ts-expect-error lost deep inside
  await client.submit({ destination, data: { days: [{ rooms: new Set(['x']) }] } });
  // @ts-expect-error a function would be left out
  await client.submit({ destination, data: { steps: 1, total: () => 1 } });
  // @ts-expect-error what is unknown may be anything
  await client.submit({ destination, data: JSON.parse('1') as unknown });
  // @ts-expect-error one export where many are wanted
  await client.submitMany({ destination, data: 1 });
  // @ts-expect-error one of them is wrong
  await client.submitMany([{ destination, data: 1 }, { data: 2 }]);
  // @ts-expect-error values without a destination
  client.submitStream([1, 2]);
  // @ts-expect-error a promise is no source
  client.submitStream(Promise.resolve([]));

  // @ts-expect-error an answer is there only once it has ended
  status.answer;
  // @ts-expect-error no such state
  status.state === 'Delivered';
  // @ts-expect-error a status is there only when it was accepted
  result.status;
  // @ts-expect-error an id is text
  await client.wait(17);
  // @ts-expect-error watching needs for await
  for (const _ of client.watch('id')) break;
  // @ts-expect-error codes are text
  new ExportClientError(401, 'invalid_token', 'no');
}
