import { createApp } from './app.ts';
import { type CommandIo, EXIT, type ExitCode } from './command.ts';
import type { Config } from './config.ts';
import { createLog } from './telemetry/log.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * `export-service serve`: runs until a signal ends it. Prints its address on stdout once it is ready to accept.
 *
 * @returns the exit code: 0 after a clean stop, 1 when it cannot go on
 */
export async function serve(config: Config, io: CommandIo): Promise<ExitCode> {
  // The store holds people's data: what we create, only our own user may read.
  process.umask(0o077);
  const log = createLog(config.logLevel, io.stderr);
  if (!config.requireDestination) {
    log.warn('tokens without a destination caveat are accepted: whoever holds one can send data anywhere');
  }
  const stopped = stopSignal();
  await using app = await createApp(config, log);
  io.stdout.write(`export-service listens on ${app.url}\n`);
  log.info({ url: app.url }, 'ready');
  const end = await Promise.race([stopped, app.failed]);
  if (end instanceof Error) {
    log.fatal({ err: end }, 'the service cannot go on');
    return EXIT.failed;
  }
  log.info({ signal: end }, 'stopping');
  return EXIT.done;
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
