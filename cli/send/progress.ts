import { stripVTControlCharacters } from 'node:util';
import type { Output } from '../../src/command.ts';
import type { Env } from '../../src/config.ts';
import { formatCount, formatDuration, formatExports, Paint } from '../terminal.ts';

/** How far a run has come. */
export interface Progress {
  /** Exports that have ended, or were accepted where nobody waits. */
  readonly done: number;
  readonly failed: number;
  /** Of the inputs, in bytes; null where nobody knows how much there is. */
  readonly bytesDone: number;
  readonly bytesTotal: number | null;
  /** What the service has asked us to wait for; null when it has not. */
  readonly waitingFor: string | null;
}

/** Drawing more often would be work that nobody sees. */
const DRAW_EVERY_MS = 100;
/** Rate and time left are those of the last seconds, so that a pause shows and is forgotten again. */
const RATE_WINDOW_MS = 10_000;
const SAMPLES_MAX = 50;
const BAR_WIDTH = 24;
const COLUMNS_DEFAULT = 80;

interface Sample {
  readonly at: number;
  readonly done: number;
  readonly bytesDone: number;
}

/** A line on a terminal that is drawn over and over. Whatever else is printed goes through `note`. */
export class ProgressLine implements Disposable {
  readonly #output: Output;
  readonly #paint: Paint;
  readonly #now: () => number;
  readonly #isOn: boolean;
  #samples: Sample[] = [];
  #progress: Progress | null = null;
  #drawnAt = Number.NEGATIVE_INFINITY;
  #isDrawn = false;

  /** @param now milliseconds that never go back */
  constructor(output: Output, env: Env, now: () => number) {
    this.#output = output;
    this.#paint = new Paint(output, env);
    this.#now = now;
    this.#isOn = output.isTTY === true;
  }

  update(progress: Progress): void {
    if (!this.#isOn) return;
    this.#progress = progress;
    if (this.#now() - this.#drawnAt >= DRAW_EVERY_MS) this.draw();
  }

  /** Draws what is known, also when nothing new is: time goes on. */
  draw(): void {
    if (!this.#isOn || this.#progress === null) return;
    const now = this.#now();
    this.#sample(now, this.#progress);
    this.#drawnAt = now;
    this.#isDrawn = true;
    const columns = (this.#output.columns || COLUMNS_DEFAULT) - 1;
    this.#output.write(`\r${this.#line(this.#progress, columns)}\x1b[K`);
  }

  /** Prints a line above. */
  note(text: string): void {
    this.#clear();
    this.#output.write(`${text}\n`);
    this.draw();
  }

  [Symbol.dispose](): void {
    this.#clear();
    this.#progress = null;
  }

  #clear(): void {
    if (this.#isDrawn) this.#output.write('\r\x1b[K');
    this.#isDrawn = false;
  }

  #sample(at: number, { done, bytesDone }: Progress): void {
    const recent = this.#samples.filter((sample) => at - sample.at <= RATE_WINDOW_MS);
    // When drawing often, the one before the last says no more than its neighbours.
    if (recent.length >= SAMPLES_MAX) recent.splice(-2, 1);
    this.#samples = [...recent, { at, done, bytesDone }];
  }

  /** Parts that do not fit are left out, the last ones first. */
  #line(progress: Progress, columns: number): string {
    const { done, failed, bytesDone, bytesTotal, waitingFor } = progress;
    const parts: string[] = [];
    if (bytesTotal !== null) parts.push(...this.#bar(bytesTotal === 0 ? 1 : bytesDone / bytesTotal));
    parts.push(formatExports(done));
    if (failed > 0) parts.push(this.#paint.paint('red', `${formatCount(failed)} failed`));
    if (waitingFor !== null) parts.push(this.#paint.paint('yellow', waitingFor));
    const rate = this.#rate();
    if (rate !== null) parts.push(`${formatCount(Math.round(rate.exports))}/s`);
    if (rate !== null && bytesTotal !== null && rate.bytes > 0 && bytesDone < bytesTotal) {
      parts.push(`${formatDuration(((bytesTotal - bytesDone) / rate.bytes) * 1_000)} left`);
    }
    while (parts.length > 1 && visibleLength(parts.join('  ')) > columns) parts.pop();
    return parts.join('  ');
  }

  #bar(fraction: number): string[] {
    const filled = Math.floor(Math.min(fraction, 1) * BAR_WIDTH);
    const bar = this.#paint.paint('green', '█'.repeat(filled)) + '░'.repeat(BAR_WIDTH - filled);
    return [bar, `${String(Math.floor(Math.min(fraction, 1) * 100)).padStart(3)} %`];
  }

  /** A second; null while there is nothing to tell it from. */
  #rate(): { exports: number; bytes: number } | null {
    const [first, last] = [this.#samples[0], this.#samples.at(-1)];
    if (first === undefined || last === undefined || last.at - first.at < 500) return null;
    const seconds = (last.at - first.at) / 1_000;
    return {
      exports: (last.done - first.done) / seconds,
      bytes: (last.bytesDone - first.bytesDone) / seconds,
    };
  }
}

function visibleLength(text: string): number {
  return stripVTControlCharacters(text).length;
}
