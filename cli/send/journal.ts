import { createHash, createHmac, randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, ftruncateSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

/** What a run is about. Another one goes on with it only when all of this is the same. */
export interface Errand {
  readonly to: string;
  readonly url: string;
  readonly attemptsMax: number | null;
  /** Whose token it is, hashed: the service knows an idempotency key for each client by itself. Null: nobody can tell. */
  readonly client: string | null;
}

/** What is known of one export of the input. */
export interface Entry {
  readonly hash: string;
  /** How often it was begun anew, because it had ended badly. */
  readonly round: number;
  /** When it was begun, in milliseconds since 1970. */
  readonly begunAt: number;
  /** Null while it is not known whether the service has it. */
  readonly id: string | null;
  readonly end: 'delivered' | 'failed' | 'refused' | null;
}

/** How long the service remembers a key, a day, less what a submission may take with all its repeats. */
const KEY_LIFE_MS = 23 * 3_600_000;
const KIND = 'export-service send';
const VERSION = 2;
/** How every journal begins: no other file is written to, or removed. */
const BEGINNING = `{"journal":"${KIND}","version":`;

interface Head extends Errand {
  readonly journal: typeof KIND;
  readonly version: typeof VERSION;
  /** Makes this run's idempotency keys differ from those of any other. */
  readonly seed: string;
}

/** A line after the head; times are milliseconds since 1970. */
type Line =
  | [kind: 'begun', index: number, at: number, hash: string, round: number]
  | [kind: 'accepted', index: number, at: number, id: string]
  | [kind: 'refused' | 'delivered' | 'failed', index: number, at: number];

/**
 * What a run has done, kept beside its input, so that another run after an interruption goes on where it ended.
 *
 * An export is noted before it is submitted, when it is accepted, and when it has ended. Its idempotency key follows
 * from what is noted. So one that was submitted without our hearing of it is submitted again under the same key, and
 * the service answers with the export that it has: nothing is sent twice, for as long as the service knows the key.
 */
export class Journal implements Disposable {
  readonly path: string;
  readonly #head: Head;
  readonly #entries: Map<number, Entry>;
  readonly #now: () => number;
  #file: number | null;

  private constructor(
    path: string,
    head: Head,
    entries: Map<number, Entry>,
    file: number | null,
    now: () => number,
  ) {
    this.path = path;
    this.#head = head;
    this.#entries = entries;
    this.#file = file;
    this.#now = now;
  }

  /** One that nobody will find: an interrupted run cannot be gone on with. */
  static none(errand: Errand, now: () => number): Journal {
    return new Journal('', newHead(errand), new Map(), null, now);
  }

  /**
   * Goes on with the journal at `path`, or begins it.
   *
   * @throws Error in words, when it belongs to another errand, is none, or is too old for what it leaves open
   */
  static open(path: string, errand: Errand, now: () => number): Journal {
    const text = readOurs(path);
    // A run that was killed while it wrote the first line has begun nothing.
    if (text === null || !text.includes('\n')) return Journal.#begin(path, errand, now);
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    const [first = '', ...lines] = whole.trimEnd().split('\n');
    const head = readHead(path, first);
    refuseOtherErrand(path, head, errand);
    const entries = readLines(path, lines);
    refuseForgotten(path, entries, now() - KEY_LIFE_MS);
    const file = openSync(path, 'r+');
    // Half a line at the end was never acted on.
    ftruncateSync(file, Buffer.byteLength(whole));
    closeSync(file);
    return new Journal(path, head, entries, openSync(path, 'a'), now);
  }

  /**
   * Removes the journal at `path`, if there is one.
   *
   * @throws Error when another file is there
   */
  static forget(path: string): void {
    if (readOurs(path) !== null) rmSync(path, { force: true });
  }

  static #begin(path: string, errand: Errand, now: () => number): Journal {
    const head = newHead(errand);
    const file = openSync(path, 'w', 0o600);
    writeSync(file, `${JSON.stringify(head)}\n`);
    // The seed must outlive a crash of the machine too: without it there are no keys to repeat.
    fsyncSync(file);
    return new Journal(path, head, new Map(), file, now);
  }

  /**
   * Notes that an export is about to be submitted, unless it is known already.
   *
   * @returns what is known of it, and the key to submit it with
   * @throws Error when the input is not the one that the journal was begun with
   */
  begin(index: number, json: string): { entry: Entry; key: string } {
    const hash = createHash('sha256').update(json).digest('base64url').slice(0, 22);
    const known = this.#entries.get(index);
    if (known !== undefined && known.hash !== hash) {
      throw new Error(
        `The input has changed since the run that ${this.path} tells about: export ${index + 1} is another one. ` +
          'Put the input back, or give --fresh to forget that run and send everything.',
      );
    }
    const isOver = known?.end === 'failed' || known?.end === 'refused';
    if (known !== undefined && !isOver) return { entry: known, key: this.#key(index, known) };
    const round = known === undefined ? 0 : known.round + 1;
    const entry: Entry = { hash, round, begunAt: this.#now(), id: null, end: null };
    this.#write(['begun', index, entry.begunAt, entry.hash, entry.round], entry);
    return { entry, key: this.#key(index, entry) };
  }

  accepted(index: number, id: string): void {
    this.#write(['accepted', index, this.#now(), id], { ...this.#entry(index), id });
  }

  ended(index: number, end: 'delivered' | 'failed' | 'refused'): void {
    this.#write([end, index, this.#now()], { ...this.#entry(index), end });
  }

  /** Forgets everything: what there was to do is done. */
  remove(): void {
    this[Symbol.dispose]();
    if (this.path !== '') Journal.forget(this.path);
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file);
    this.#file = null;
  }

  #entry(index: number): Entry {
    const entry = this.#entries.get(index);
    if (entry === undefined) throw new TypeError(`Export ${index} was not begun.`);
    return entry;
  }

  #write(line: Line, entry: Entry): void {
    this.#entries.set(line[1], entry);
    if (this.#file !== null) writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  #key(index: number, { hash, round }: Entry): string {
    const mac = createHmac('sha256', this.#head.seed).update(`${index} ${hash} ${round}`).digest('base64url');
    return `send-${mac}`;
  }
}

/** Where the journal of an input is, unless it is said otherwise. Those of two destinations do not meet. */
export function journalPath(input: string, to: string): string {
  return `${input}.${createHash('sha256').update(to).digest('hex').slice(0, 8)}.send-journal`;
}

function newHead(errand: Errand): Head {
  return { journal: KIND, version: VERSION, ...errand, seed: randomBytes(32).toString('base64url') };
}

/** The text of a journal, perhaps not all of its first line; null when there is no file. */
function readOurs(path: string): string | null {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  if (text.startsWith(BEGINNING) || BEGINNING.startsWith(text)) return text;
  throw notOurs(path);
}

function readHead(path: string, line: string): Head {
  const head = parseLine(path, line) as Partial<Head> | null;
  if (head?.journal !== KIND || typeof head.seed !== 'string') throw notOurs(path);
  if (head.version !== VERSION) throw new Error(`${path} was written by another release of this command.`);
  return head as Head;
}

function refuseOtherErrand(path: string, head: Head, errand: Errand): void {
  if (head.client !== errand.client)
    throw new Error(
      `${path} tells about a run that was interrupted, with the token of another app. With this one the service would ` +
        'take everything for new. Give that token to go on with it, or --fresh to forget it and send everything.',
    );
  for (const [name, flag] of [
    ['to', '--to'],
    ['url', '--url'],
    ['attemptsMax', '--attempts-max'],
  ] as const) {
    if (head[name] === errand[name]) continue;
    throw new Error(
      `${path} tells about a run that was interrupted, with ${flag} ${head[name] ?? 'left out'}. Give the same to go ` +
        'on with it, or --fresh to forget it and send everything.',
    );
  }
}

function readLines(path: string, lines: readonly string[]): Map<number, Entry> {
  const entries = new Map<number, Entry>();
  for (const text of lines) {
    const line = parseLine(path, text) as Line;
    if (!Array.isArray(line) || typeof line[1] !== 'number' || typeof line[2] !== 'number')
      throw notOurs(path);
    entries.set(line[1], entryAfter(path, line, entries.get(line[1])));
  }
  return entries;
}

function entryAfter(path: string, line: Line, before: Entry | undefined): Entry {
  if (line[0] === 'begun') return { hash: line[3], round: line[4], begunAt: line[2], id: null, end: null };
  if (before === undefined) throw notOurs(path);
  if (line[0] === 'accepted') return { ...before, id: line[3] };
  return { ...before, end: line[0] };
}

/**
 * After a day the service may have forgotten the keys: what was submitted without our hearing of it would be queued
 * once more.
 */
function refuseForgotten(path: string, entries: ReadonlyMap<number, Entry>, before: number): void {
  const open = [...entries].filter(
    ([, { id, end, begunAt }]) => id === null && end === null && begunAt <= before,
  );
  if (open.length === 0) return;
  const numbers = open.slice(0, 5).map(([index]) => index + 1);
  throw new Error(
    `${path} is more than a day old, and of ${open.length} of its exports (number ${numbers.join(', ')}` +
      `${open.length > numbers.length ? ', …' : ''}) nobody knows any more whether the service has them. Look there, ` +
      'then give --fresh to forget that run and send everything.',
  );
}

function parseLine(path: string, line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw notOurs(path);
  }
}

function notOurs(path: string): Error {
  return new Error(
    `${path} is no journal of this command, or is damaged. Move it out of the way, or name another with --journal.`,
  );
}
