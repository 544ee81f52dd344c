import Fastify from 'fastify';
import { Agent } from 'undici';

/** What the bench tells a peer: where its database is, and whether it delivers or takes in only. */
export interface PeerOptions {
  readonly redisPort: number;
  readonly postgresUrl: string;
  readonly delivers: boolean;
}

export interface PeerExport {
  readonly uri: string;
  readonly data: string;
}

/** Attempts in flight, as the service's `--concurrency`. */
export const CONCURRENCY = 256;

export const options = JSON.parse(process.argv[2] ?? '{}') as PeerOptions;

const agent = new Agent({ connections: CONCURRENCY, pipelining: 1 });
let finished = 0;

/** Posts the data and reads the answer; who calls it keeps the answer as the job's result. */
export async function deliver({ uri, data }: PeerExport): Promise<{ status: number; body: string }> {
  const { origin, pathname } = new URL(uri);
  const { statusCode, body } = await agent.request({
    origin,
    path: pathname,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: data,
  });
  return { status: statusCode, body: await body.text() };
}

/** To be told of each export that has ended, its result stored. */
export function countFinished(count = 1): void {
  finished += count;
}

/**
 * Serves `POST /export` with the service's bodies: answers when `takeIn` has resolved with the ids. The bench asks by
 * message how many have ended.
 */
export async function serve(
  takeIn: (exports: readonly PeerExport[]) => Promise<readonly string[]>,
): Promise<void> {
  const app = Fastify({ logger: false });
  app.post('/export', async (request) => {
    const { body } = request;
    const answer = (id: string | undefined) => ({ id, state: 'Pending', ext_response: {} });
    if (Array.isArray(body)) return (await takeIn(body as PeerExport[])).map(answer);
    return answer((await takeIn([body as PeerExport]))[0]);
  });
  const url = await app.listen({ host: '127.0.0.1', port: 0 });
  process.on('message', () => process.send?.({ finished }));
  process.on('disconnect', () => process.exit(0));
  process.on('SIGTERM', () => process.exit(0));
  process.send?.({ url });
}
