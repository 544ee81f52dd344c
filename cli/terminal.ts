import { styleText } from 'node:util';
import type { Output } from '../src/command.ts';
import type { Env } from '../src/config.ts';

export type Format = 'bold' | 'dim' | 'green' | 'red' | 'yellow' | 'cyan';

/** Colours text where somebody sees it: on a terminal, and not where `NO_COLOR` is set. */
export class Paint {
  readonly #hasColour: boolean;

  constructor(output: Output, env: Env) {
    this.#hasColour = output.isTTY === true && !env.NO_COLOR;
  }

  paint(format: Format, text: string): string {
    return this.#hasColour ? styleText(format, text, { validateStream: false }) : text;
  }
}

/** Control characters would let a file or an answer steer the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, ' ');
}

/** `12,345`. */
export function formatCount(count: number): string {
  return count.toLocaleString('en');
}

/** `1 export`, `2 exports`. */
export function formatExports(count: number): string {
  return `${formatCount(count)} ${count === 1 ? 'export' : 'exports'}`;
}

/** `9 s`, `2 min 5 s`, `3 h 20 min`: two units at most. */
export function formatDuration(ms: number): string {
  const seconds = Math.round(ms / 1_000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours > 0) return `${formatCount(hours)} h ${minutes % 60} min`;
  if (minutes > 0) return `${minutes} min ${seconds % 60} s`;
  return seconds === 0 && ms > 0 ? '< 1 s' : `${seconds} s`;
}

const AGES = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
] as const;

/** `just now`, `3 minutes ago`, `1 day ago`; `in 2 hours` for what is still to come. */
export function formatAgo(ms: number): string {
  const [unit, size] = AGES.find(([, least]) => Math.abs(ms) >= least) ?? [];
  if (unit === undefined || size === undefined) return 'just now';
  const count = Math.floor(Math.abs(ms) / size);
  const words = `${formatCount(count)} ${unit}${count === 1 ? '' : 's'}`;
  return ms < 0 ? `in ${words}` : `${words} ago`;
}

const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `17 bytes`, `1.5 GiB`: three digits or so, for people. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), BYTE_UNITS.length - 1);
  const value = bytes / 1_024 ** power;
  const digits = value < 10 && power > 0 ? 1 : 0;
  return `${value.toFixed(digits)} ${BYTE_UNITS[power]}`;
}
