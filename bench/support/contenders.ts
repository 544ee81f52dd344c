import { DatabaseSync } from 'node:sqlite';
import { LAUNCHER, TEST_FLAGS } from '../../test/support/service.ts';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { type BenchPart, WITHOUT_VARIABLE } from '../without.ts';
import { startPostgres, startRedis } from './databases.ts';
import { addUsage, BenchProcess, type Usage } from './processes.ts';

export const CONTENDERS = [
  'ours',
  'bare',
  'append log',
  'bullmq always',
  'bullmq everysec',
  'pg-boss',
  'graphile-worker',
] as const;
export type ContenderName = (typeof CONTENDERS)[number];

/** Something that takes exports in at `POST /export`, and its databases. */
export interface Contender extends AsyncDisposable {
  readonly url: string;
  /** Its own processes: the server, and the database that it needs. */
  readonly processes: readonly BenchProcess[];
  /** How many exports have ended, their results stored. */
  finished(): Promise<number>;
}

export interface ContenderOptions {
  /** Peers only: false takes exports in and delivers nothing. (Ours has a destination that does not answer instead.) */
  readonly delivers?: boolean;
  /** Flags for ours. */
  readonly flags?: readonly string[];
  /** Parts taken away from ours. */
  readonly without?: readonly BenchPart[];
  /** Flags of Node for ours. */
  readonly execArgv?: readonly string[];
  /** Ours on data that is there already. */
  readonly dataDir?: string;
}

export function usageOf(contender: Contender): Usage {
  return addUsage(contender.processes.map((process) => process.usage()));
}

export function startContender(name: ContenderName, options: ContenderOptions = {}): Promise<Contender> {
  switch (name) {
    case 'ours':
      return startOurs(options);
    case 'bare':
      return startPlain('bare');
    case 'append log':
      return startPlain('append-log');
    case 'bullmq always':
      return startPeer('bullmq', options, () => startRedis('always'));
    case 'bullmq everysec':
      return startPeer('bullmq', options, () => startRedis('everysec'));
    case 'pg-boss':
    case 'graphile-worker':
      return startPeer(name, options, startPostgres);
  }
}

/** The whole product at its defaults, but that it may deliver to this machine over plain HTTP. */
async function startOurs({
  flags = [],
  without = [],
  execArgv = [],
  dataDir,
}: ContenderOptions): Promise<Contender> {
  await using cleanup = new AsyncDisposableStack();
  const path = dataDir ?? cleanup.use(new TemporaryDirectory()).path;
  const preload = without.length === 0 ? [] : ['--import', new URL('../without.ts', import.meta.url).href];
  const args = [
    ...execArgv,
    ...preload,
    LAUNCHER,
    'serve',
    '--port',
    '0',
    '--data-dir',
    path,
    ...TEST_FLAGS,
    ...flags,
  ];
  const server = cleanup.use(
    BenchProcess.spawn('The service', process.execPath, args, {
      env: { ...process.env, ...(without.length === 0 ? {} : { [WITHOUT_VARIABLE]: without.join(',') }) },
    }),
  );
  const line = await server.line(/http:\S+/);
  const store = cleanup.use(new DatabaseSync(`${path}/exports.db`, { readOnly: true }));
  const finished = store.prepare('SELECT count(*) AS n FROM jobs WHERE finished_at IS NOT NULL');
  const owned = cleanup.move();
  return {
    url: /http:[^\s]+/.exec(line)?.[0] ?? '',
    processes: [server],
    finished: async () => Number(finished.get()?.n),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function startPlain(module: 'bare' | 'append-log'): Promise<Contender> {
  await using cleanup = new AsyncDisposableStack();
  const { path: directory } = cleanup.use(new TemporaryDirectory());
  const server = cleanup.use(
    BenchProcess.fork(module, new URL(`../contenders/${module}.ts`, import.meta.url), { directory }),
  );
  const { url } = await server.message<{ url: string }>();
  const owned = cleanup.move();
  return {
    url,
    processes: [server],
    finished: () => Promise.reject(new Error(`${module} delivers nothing.`)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

interface StartedDatabase extends AsyncDisposable {
  readonly process: BenchProcess;
  readonly port?: number;
  readonly url?: string;
}

async function startPeer(
  module: 'bullmq' | 'pg-boss' | 'graphile-worker',
  { delivers = true }: ContenderOptions,
  startDatabase: () => Promise<StartedDatabase>,
): Promise<Contender> {
  await using cleanup = new AsyncDisposableStack();
  const database = cleanup.use(await startDatabase());
  const server = cleanup.use(
    BenchProcess.fork(module, new URL(`../peers/${module}.ts`, import.meta.url), {
      redisPort: database.port,
      postgresUrl: database.url,
      delivers,
    }),
  );
  const { url } = await server.message<{ url: string }>();
  const owned = cleanup.move();
  return {
    url,
    processes: [server, database.process],
    finished: async () => (await server.ask<{ finished: number }>({})).finished,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
