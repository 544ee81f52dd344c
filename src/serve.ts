import { createApp } from './app.ts';
import { type CommandIo, EXIT, type ExitCode } from './command.ts';
import type { Config, Env } from './config.ts';
import { systemClock } from './export/clock.ts';
import { createLog, type Log } from './telemetry/log.ts';
import type { Traces } from './telemetry/traces.ts';
import { wantsTraces } from './telemetry/traces-wanted.ts';
import { VERSION } from './version.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/** How long a stop may take beyond `--drain-max`: for the last answers, and for the store to put its log away. */
export const STOP_MARGIN_MS = 15_000;

/**
 * `export-service serve`: runs until a signal ends it. Prints its address on stdout once it is ready to accept.
 *
 * @returns the exit code: 0 after a clean stop, 1 when it cannot go on. A stop that hangs does not return: the process
 *   kills itself
 */
export async function serve(config: Config, io: CommandIo, env: Env = {}): Promise<ExitCode> {
  // The store holds people's data: what we create, only our own user may read.
  process.umask(0o077);
  const log = createLog(config.logLevel, io.stderr);
  if (!config.requireDestination) {
    log.warn('tokens without a destination caveat are accepted: whoever holds one can send data anywhere');
  }
  const stopped = stopSignal();
  await using cleanup = new AsyncDisposableStack();
  const observers = wantsTraces(env) ? [cleanup.use(await startTraces(log))] : [];
  const app = await createApp(config, log, { observers });
  io.stdout.write(`export-service listens on ${app.url}\n`);
  log.info({ url: app.url }, 'ready');
  const end = await Promise.race([stopped, app.failed]);
  if (end instanceof Error) log.fatal({ err: end }, 'the service cannot go on');
  else log.info({ signal: end }, 'stopping');
  const boundMs = config.drainMsMax + STOP_MARGIN_MS;
  if (!(await isOverWithin(app[Symbol.asyncDispose](), boundMs))) endHangingStop(log, boundMs);
  return end instanceof Error ? EXIT.failed : EXIT.done;
}

/** OpenTelemetry is loaded only here: a service without traces does without it. */
async function startTraces(log: Log): Promise<Traces> {
  const { Traces } = await import('./telemetry/traces.ts');
  log.info('traces are sent, as OTLP over HTTP');
  return new Traces({
    clock: systemClock,
    version: VERSION,
    onError: (error) => {
      const code = (error as { code?: unknown } | undefined)?.code ?? null;
      log.warn({ code }, 'traces could not be sent; those are lost');
    },
  });
}

async function isOverWithin(task: PromiseLike<void>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([Promise.resolve(task).then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Nothing is lost by it: what was under way is on record as being sent, and is repeated by the next start. An exit would
 * wait for the store's thread, which may be in a system call that does not return.
 */
function endHangingStop(log: Log, afterMs: number): void {
  const seconds = Math.round(afterMs / 1_000);
  log.fatal(
    { seconds },
    'the stop hangs, most likely because the disk of the store does not answer: ended as by kill -9; the next start repeats what was under way',
  );
  process.kill(process.pid, 'SIGKILL');
}

/** The first of the signals that ask for an end. A second one finds the system's own handler, and ends at once. */
function stopSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    const stop = (signal: NodeJS.Signals): void => {
      for (const each of STOP_SIGNALS) process.off(each, stop);
      resolve(signal);
    };
    for (const signal of STOP_SIGNALS) process.on(signal, stop);
  });
}
