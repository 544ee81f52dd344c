/**
 * A part of the benches: whoever sends exports and polls, in a process of its own. It is told by messages what to do,
 * and answers with what it measured.
 */
import { Client, type Dispatcher } from 'undici';
import { tokenFor } from '../../test/support/service.ts';
import type { Load, LoadResult } from './load.ts';
import { DATA, Poster } from './poster.ts';
import { quantile } from './statistics.ts';

type Handler = Dispatcher.DispatchHandler;

interface Request {
  readonly token: string;
  readonly body: string;
}

/** Requests for each lane, made once. */
class Requests {
  readonly #requests: readonly Request[];
  #next = 0;

  constructor({ destination, lanes, batch }: Load) {
    this.#requests = Array.from({ length: lanes }, (_, lane) => {
      const uri = `${destination}/${lane}`;
      const one = { uri, data: DATA };
      const body = JSON.stringify(batch > 1 ? Array.from({ length: batch }, () => one) : one);
      return { token: tokenFor({ destination: uri }), body };
    });
  }

  next(): Request {
    const request = this.#requests[this.#next % this.#requests.length] as Request;
    this.#next += 1;
    return request;
  }
}

async function run(load: Load): Promise<LoadResult> {
  const requests = new Requests(load);
  const posters = Array.from({ length: load.connections }, () => new Poster(load.url));
  const latencies: number[] = [];
  const ids = load.polls ? await idsOf(load, requests, posters) : [];
  let begun = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + load.seconds * 1_000;
  const mayGoOn = (): boolean => begun < load.count && (load.seconds === 0 || performance.now() < endsAt);
  const post = async (poster: Poster): Promise<void> => {
    const { token, body } = ids.length > 0 ? (ids[begun % ids.length] as Request) : requests.next();
    begun += 1;
    const sentAt = performance.now();
    const answer = await poster.post(load.path, headersOf(load, token), body);
    latencies.push(performance.now() - sentAt);
    if (load.wait && !answer.includes('"Finished"')) throw new Error(`not finished: ${answer}`);
  };
  const work = async (poster: Poster): Promise<void> => {
    while (mayGoOn()) await post(poster);
  };
  await Promise.all(posters.map(work));
  const seconds = (performance.now() - startedAt) / 1_000;
  await Promise.all(posters.map((poster) => poster.close()));
  return {
    requests: begun,
    seconds,
    p50Ms: quantile(latencies, 0.5),
    p99Ms: quantile(latencies, 0.99),
  };
}

function headersOf(load: Load, token: string): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': 'application/json', 'x-api-key': token };
  if (load.wait) headers.prefer = 'wait=60';
  return headers;
}

/** Exports that have ended, to be asked for. */
async function idsOf(load: Load, requests: Requests, posters: readonly Poster[]): Promise<Request[]> {
  const poster = posters[0] as Poster;
  const made: Request[] = [];
  for (let n = 0; n < load.polls; n += 1) {
    const { token, body } = requests.next();
    const headers = { ...headersOf(load, token), prefer: 'wait=60' };
    const { id, state } = JSON.parse(await poster.post('/export', headers, body)) as Record<string, string>;
    if (state !== 'Finished') throw new Error('An export did not end.');
    made.push({ token, body: JSON.stringify({ id }) });
  }
  return made;
}

/** Requests that stay open until the next message: so many idle long polls. */
class Waiters {
  readonly #clients: Client[] = [];

  async open(load: Load): Promise<void> {
    const requests = new Requests(load);
    const poster = new Poster(load.url);
    const { token, body } = requests.next();
    const answer = await poster.post('/export', headersOf(load, token), body);
    const { id } = JSON.parse(answer) as { id?: string };
    const poll = JSON.stringify({ id: id ?? '' });
    let written = 0;
    const all = Promise.withResolvers<void>();
    for (let n = 0; n < load.count; n += 1) {
      const client = new Client(load.url, { headersTimeout: 0, bodyTimeout: 0 });
      this.#clients.push(client);
      const handler: Handler = {
        onRequestStart() {
          written += 1;
          if (written === load.count) all.resolve();
        },
        onResponseStart(_controller, status) {
          all.reject(new Error(`An idle poll was answered ${status}.`));
        },
        onResponseData() {},
        onResponseEnd() {},
        onResponseError(_controller, error) {
          all.reject(error);
        },
      };
      client.dispatch(
        { method: 'POST', path: load.path, headers: headersOf(load, token), body: poll },
        handler,
      );
      // A few at a time: the kernel's backlog is short.
      if (n % 100 === 99) await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await all.promise;
    await poster.close();
  }

  close(): void {
    process.exit(0);
  }
}

const waiters = new Waiters();
process.on('message', async (load: Load) => {
  if (load.kind === 'hold') {
    await waiters.open(load);
    process.send?.({});
  } else process.send?.(await run(load));
});
process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => waiters.close());
process.send?.({});
