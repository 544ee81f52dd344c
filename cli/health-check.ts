/**
 * Whether the service of this container answers: what the image's HEALTHCHECK runs. It asks `/healthz`, which tells of
 * the process alone: a service that waits for its arbiter is healthy, and starting it anew would not help.
 */
import { readFileSync } from 'node:fs';
import { get as getHttp, type IncomingMessage } from 'node:http';
import { get as getHttps } from 'node:https';
import { basename } from 'node:path';
import { type CommandIo, EXIT, type ExitCode } from '../src/command.ts';
import { type Env, loadConfig, readArguments, settingFlags } from '../src/config.ts';

/** Less than the time-out of the HEALTHCHECK, so that it is we who say what was wrong. */
const ANSWER_MS_MAX = 4_000;
const LAUNCHER = 'export-service.js';

/**
 * Asks the service that was started by this command line.
 *
 * @param commandLine of the container's first process, as /proc has it: words that end in a NUL each
 * @returns 0 when it answers that it is well, else 1; says which on stdout, where `docker inspect` finds it
 */
export async function checkHealth(
  commandLine: string,
  env: Env,
  { stdout }: CommandIo,
  answerMsMax = ANSWER_MS_MAX,
): Promise<ExitCode> {
  try {
    const { host, port } = loadConfig(readArguments(serveArguments(commandLine), settingFlags()), env).config;
    if (port === 0)
      throw new Error('The service chose its port itself; only one that is given can be asked.');
    const status = await statusOf(reachable(host), port, AbortSignal.timeout(answerMsMax));
    stdout.write(`/healthz answers ${status}\n`);
    return status === 200 ? EXIT.done : EXIT.failed;
  } catch (error) {
    stdout.write(`${(error as Error).message}\n`);
    return EXIT.failed;
  }
}

/** The service's own arguments: `-p 9000` is nowhere else to be found. */
function serveArguments(commandLine: string): string[] {
  const words = commandLine.split('\0').slice(0, -1);
  const launcher = words.findIndex((word) => basename(word) === LAUNCHER);
  if (launcher === -1) throw new Error('The first process of this container is no export service.');
  const args = words.slice(launcher + 1);
  return args[0] === 'serve' ? args.slice(1) : args;
}

/** Who listens on every address listens on the loopback one too. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  return host === '::' ? '::1' : host;
}

/** Whether it speaks HTTPS is the service's own matter, and may have been decided by a file that is gone since. */
async function statusOf(host: string, port: number, signal: AbortSignal): Promise<number> {
  try {
    return await ask('https', host, port, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPROTO') throw error;
    return await ask('http', host, port, signal);
  }
}

function ask(scheme: 'http' | 'https', host: string, port: number, signal: AbortSignal): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const options = { host, port, path: '/healthz', signal, agent: false };
  const answered = (response: IncomingMessage): void => {
    response.resume();
    resolve(response.statusCode ?? 0);
  };
  // The certificate is not judged: this asks our own process, tells it nothing, and one that has expired is no reason
  // to start it anew.
  const request =
    scheme === 'https'
      ? getHttps({ ...options, rejectUnauthorized: false }, answered)
      : getHttp(options, answered);
  request.on('error', (error) => reject(signal.aborted ? new Error('No answer came in time.') : error));
  return promise;
}

if (import.meta.main) {
  process.exitCode = await checkHealth(readFileSync('/proc/1/cmdline', 'utf8'), process.env, process);
}
