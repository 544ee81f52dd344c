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

/** From here on a line is written at once: it may be the last. */
const URGENT_LEVEL = pino.levels.values.warn as number;

/**
 * Writes lines, those of one turn of the event loop together: under load there is a line for each export, and a system
 * call for each would cost a tenth of what the export does.
 */
class LineWriter {
  /** Asks pino to say in `lastLevel` what each line is. */
  readonly [pino.symbols.needsMetadataGsym] = true;
  lastLevel = 0;
  readonly #output: (lines: string) => void;
  #lines = '';

  constructor(output: (lines: string) => void) {
    this.#output = output;
  }

  write(line: string): void {
    if (this.#lines === '') setImmediate(() => this.#flush());
    this.#lines += line;
    if (this.lastLevel >= URGENT_LEVEL) this.#flush();
  }

  #flush(): void {
    if (this.#lines === '') return;
    const lines = this.#lines;
    this.#lines = '';
    this.#output(lines);
  }
}

export function createLog(level: Config['logLevel'], output: LogOutput): Log {
  const destination = new LineWriter((lines) => void output.write(lines));
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
