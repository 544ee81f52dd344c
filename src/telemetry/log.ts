import { pino } from 'pino';
import pretty from 'pino-pretty';
import type { Config } from '../config.ts';

/**
 * Where the service says what it does: JSON lines, readable ones on a terminal. What may be said are ids, states,
 * counts, times, origins and error codes; never a token, a key, a payload, or the path and query of a destination.
 */
export type Log = pino.Logger;

export interface LogOutput {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Node's terminals know, and heed NO_COLOR. */
  hasColors?(): boolean;
}

export function createLog(level: Config['logLevel'], output: LogOutput): Log {
  const destination = { write: (line: string): void => void output.write(line) };
  const options: pino.LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    messageKey: 'message',
  };
  if (!output.isTTY) return pino(options, destination);
  const readable = pretty.prettyFactory({
    colorize: output.hasColors?.() ?? false,
    translateTime: 'HH:MM:ss',
    singleLine: true,
    messageKey: 'message',
  });
  return pino(options, { write: (line: string): void => void output.write(readable(line)) });
}

/** As much of a destination as a log may name: query and path can hold secrets. */
export function originOf(destination: string): string {
  return URL.parse(destination)?.origin ?? 'unknown';
}
