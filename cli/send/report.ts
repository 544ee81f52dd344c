import type { FinishedExport } from '../../client/index.ts';
import type { CommandIo } from '../../src/command.ts';
import type { Env } from '../../src/config.ts';
import { formatCount, formatDuration, formatExports, Paint, printable } from '../terminal.ts';
import type { Input, Item } from './items.ts';
import type { ProgressLine } from './progress.ts';
import type { Outcome } from './sender.ts';

export interface ReportParts {
  readonly io: CommandIo;
  readonly env: Env;
  readonly line: ProgressLine;
  readonly inputs: readonly Input[];
  /** Whether the ends of exports are waited for. */
  readonly waits: boolean;
  readonly isJson: boolean;
  /** Milliseconds that never go back. */
  readonly steady: () => number;
}

/** More would scroll the first ones away; `--json` has all of them. */
const FAILURES_SHOWN_MAX = 20;
const DETAIL_LENGTH_MAX = 200;

/** Tells what becomes of the exports: results on stdout, failures and progress on stderr. */
export class Report {
  readonly #parts: ReportParts;
  readonly #paint: Paint;
  readonly #startedAt: number;
  readonly #bytesTotal: number | null;
  #good = 0;
  #before = 0;
  #failed = 0;
  #bytesDone = 0;
  #waiting = 0;

  constructor(parts: ReportParts) {
    this.#parts = parts;
    this.#paint = new Paint(parts.io.stderr, parts.env);
    this.#startedAt = parts.steady();
    const sizes = parts.inputs.map(({ bytes }) => bytes);
    this.#bytesTotal = sizes.includes(null)
      ? null
      : sizes.reduce((sum: number, size) => sum + (size ?? 0), 0);
    this.#update();
  }

  /** Whether all went well so far. */
  get isGood(): boolean {
    return this.#failed === 0;
  }

  tell(item: Item, outcome: Outcome): void {
    this.#bytesDone += item.bytes;
    const problem = problemOf(outcome);
    if (problem !== null) this.#tellFailure(item, problem);
    else if (outcome.kind === 'done before') this.#before += 1;
    else this.#good += 1;
    this.#tellResult(item, outcome);
    this.#update();
  }

  /** The service is away or asks us to wait; disposed when that is over. */
  waiting(): Disposable {
    this.#waiting += 1;
    this.#update();
    return {
      [Symbol.dispose]: () => {
        this.#waiting -= 1;
        this.#update();
      },
    };
  }

  /** For a run that does not come to its end. */
  soFar(): string {
    return `${formatExports(this.#good + this.#before)} ${this.#verb} so far${this.#failed > 0 ? `, ${formatCount(this.#failed)} failed` : ''}`;
  }

  /** @param journals where what is not delivered is noted */
  end(journals: readonly string[]): void {
    const { io, steady, isJson, waits } = this.#parts;
    const parts = [`${formatExports(this.#good)} ${this.#verb}`];
    if (this.#before > 0) parts.push(`${formatCount(this.#before)} already by an earlier run`);
    if (this.#failed > 0) parts.push(this.#paint.paint('red', `${formatCount(this.#failed)} failed`));
    // Where stdout is for programs, what people read goes elsewhere.
    const output = isJson || !waits ? io.stderr : io.stdout;
    output.write(`${parts.join(', ')}, in ${formatDuration(steady() - this.#startedAt)}\n`);
    if (this.#failed > FAILURES_SHOWN_MAX) {
      io.stderr.write(
        `Only the first ${FAILURES_SHOWN_MAX} failures are shown; --json prints every result.\n`,
      );
    }
    if (this.#failed > 0 && journals.length > 0) {
      io.stderr.write(
        `Run the same command again to send what was not ${this.#verb}; nothing else is sent twice.\n`,
      );
    }
  }

  get #verb(): string {
    return this.#parts.waits ? 'delivered' : 'accepted';
  }

  #tellFailure(item: Item, problem: string): void {
    this.#failed += 1;
    if (this.#failed > FAILURES_SHOWN_MAX) return;
    this.#parts.line.note(`${this.#paint.paint('red', '✗')} ${placeOf(item)}: ${printable(cut(problem))}`);
  }

  #tellResult(item: Item, outcome: Outcome): void {
    const { io, isJson } = this.#parts;
    if (outcome.kind === 'done before') return;
    if (isJson)
      io.stdout.write(`${JSON.stringify({ input: item.input, line: item.line, ...jsonOf(outcome) })}\n`);
    else if (outcome.kind === 'accepted') io.stdout.write(`${outcome.id}\n`);
  }

  #update(): void {
    this.#parts.line.update({
      done: this.#good + this.#before,
      failed: this.#failed,
      bytesDone: this.#bytesDone,
      bytesTotal: this.#bytesTotal,
      waitingFor: this.#waiting > 0 ? 'waiting for the service' : null,
    });
  }
}

/** Null when it is none. */
function problemOf(outcome: Outcome): string | null {
  switch (outcome.kind) {
    case 'ended':
      return outcome.end.answer.ok ? null : describeEnd(outcome.end);
    case 'refused':
      return `the service refuses it: ${outcome.error.message}`;
    case 'unreadable':
      return outcome.problem;
    case 'accepted':
    case 'done before':
      return null;
  }
}

function describeEnd({ answer: { status, statusText, body, error } }: FinishedExport): string {
  if (error !== undefined) return `${error.detail} (${error.code})`;
  const said = body === '' ? '' : `: ${body}`;
  return `the destination answered ${status} ${statusText}`.trimEnd() + said;
}

/** The service's own words, as its API has them. */
function jsonOf(outcome: Outcome): object {
  switch (outcome.kind) {
    case 'accepted':
      return { id: outcome.id, state: 'Pending', ext_response: {} };
    case 'ended': {
      const { status, statusText, body, truncated, error } = outcome.end.answer;
      const response = { status: `${status} ${statusText}`.trimEnd(), body };
      return {
        id: outcome.id,
        state: 'Finished',
        ext_response: {
          ...response,
          ...(truncated ? { truncated } : {}),
          ...(error === undefined ? {} : { error }),
        },
      };
    }
    case 'refused':
      return { error: { code: outcome.error.code, detail: outcome.error.detail } };
    case 'unreadable':
      return { error: { code: 'invalid_json', detail: outcome.problem } };
    case 'done before':
      return {};
  }
}

function placeOf({ input, line }: Item): string {
  const name = input === '-' ? 'stdin' : input;
  return line === null ? name : `${name} line ${line}`;
}

function cut(text: string): string {
  return text.length > DETAIL_LENGTH_MAX ? `${text.slice(0, DETAIL_LENGTH_MAX)}…` : text;
}
