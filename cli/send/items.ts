import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { extname } from 'node:path';
import type { CommandIo } from '../../src/command.ts';

/** Where exports come from: a file, or stdin. */
export interface Input {
  /** As it was given; `-` is stdin. */
  readonly name: string;
  /** Null where nobody knows, as of stdin. */
  readonly bytes: number | null;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly format: Format;
  /** Nothing more is read. */
  close(): void;
}

/** One JSON document, or one in each line; `auto` looks at the content. */
export type Format = 'auto' | 'json' | 'ndjson';

/** One export to be, or why it can be none. */
export interface Item {
  readonly input: string;
  /** From 0, of the exports of this input. */
  readonly index: number;
  /** From 1; null when the input is one document. */
  readonly line: number | null;
  /** The JSON text, byte for byte as in the input; null when it is none. */
  readonly json: string | null;
  /** Why it is none. */
  readonly problem?: string;
  /** How much of the input this is, in bytes. */
  readonly bytes: number;
}

/** One document becomes one JavaScript string, and the service takes no larger body than this in any setting. */
const DOCUMENT_BYTES_MAX = 256 * 1_024 ** 2;
const LINE_EXTENSIONS = new Set(['.ndjson', '.jsonl']);
const NEWLINE = 0x0a;

/**
 * Opens a file, or stdin for `-`. Nothing is read yet.
 *
 * @throws Error in words, when there is no such file
 */
export async function openInput(name: string, format: Format, stdin: CommandIo['stdin']): Promise<Input> {
  if (name === '-') {
    return { name, bytes: null, chunks: bytesOf(stdin), format, close: () => stdin.destroy?.() };
  }
  const found = await stat(name).catch((error: NodeJS.ErrnoException) => {
    throw new Error(
      `${name} cannot be read: ${error.code === 'ENOENT' ? 'there is no such file' : error.code}.`,
    );
  });
  if (found.isDirectory())
    throw new Error(`${name} is a folder: name the files in it, such as ${name}/*.json.`);
  const byName = LINE_EXTENSIONS.has(extname(name).toLowerCase()) ? 'ndjson' : format;
  const chunks = createReadStream(name);
  // Whoever reads it hears of this too.
  chunks.on('error', () => {});
  return {
    name,
    bytes: found.isFile() ? found.size : null,
    chunks,
    format: format === 'auto' ? byName : format,
    close: () => chunks.destroy(),
  };
}

async function* bytesOf(stdin: CommandIo['stdin']): AsyncGenerator<Uint8Array> {
  for await (const chunk of stdin) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}

/** Reads an input, one export at a time: no more of it is in memory than one line, or the one document. */
export async function* itemsOf({ name, chunks, format }: Input): AsyncGenerator<Item> {
  const lines = linesOf(chunks);
  if (format === 'json') return yield* documentOf(name, await wholeOf(lines));
  const first = await firstContent(lines);
  if (first === null) {
    // An empty file is no export; one that was said to be a document is a broken one.
    return;
  }
  const isLines = format === 'ndjson' || (isJson(first.line.bytes) && (await hasMore(first)));
  if (isLines) yield* itemsOfLines(name, first);
  else yield* documentOf(name, await wholeOf(first.all()));
}

/** A line with its line end, if it has one. */
interface Line {
  readonly bytes: Buffer;
  readonly number: number;
}

/** The first line that is not blank, with those before and after it still to be had. */
class Beginning {
  readonly blanks: readonly Line[];
  readonly line: Line;
  /** Blank lines that were looked at after it, and the next one that is not. */
  readonly ahead: Line[] = [];
  readonly rest: AsyncIterator<Line>;

  constructor(blanks: readonly Line[], line: Line, rest: AsyncIterator<Line>) {
    this.blanks = blanks;
    this.line = line;
    this.rest = rest;
  }

  async *all(): AsyncGenerator<Line> {
    yield* [...this.blanks, this.line, ...this.ahead];
    yield* { [Symbol.asyncIterator]: () => this.rest };
  }
}

async function firstContent(lines: AsyncGenerator<Line>): Promise<Beginning | null> {
  const blanks: Line[] = [];
  for (;;) {
    const { done, value } = await lines.next();
    if (done) return null;
    if (!isBlank(value.bytes)) return new Beginning(blanks, value, lines);
    blanks.push(value);
  }
}

async function hasMore(beginning: Beginning): Promise<boolean> {
  for (;;) {
    const { done, value } = await beginning.rest.next();
    if (done) return false;
    beginning.ahead.push(value);
    if (!isBlank(value.bytes)) return true;
  }
}

async function* itemsOfLines(input: string, beginning: Beginning): AsyncGenerator<Item> {
  let index = 0;
  let skippedBytes = 0;
  for await (const { bytes, number } of beginning.all()) {
    skippedBytes += bytes.length;
    if (isBlank(bytes)) continue;
    yield { input, index, line: number, bytes: skippedBytes, ...readJson(withoutLineEnd(bytes)) };
    index += 1;
    skippedBytes = 0;
  }
}

function* documentOf(input: string, bytes: Buffer): Generator<Item> {
  yield { input, index: 0, line: null, bytes: bytes.length, ...readJson(bytes) };
}

async function wholeOf(lines: AsyncIterable<Line>): Promise<Buffer> {
  const all: Buffer[] = [];
  let length = 0;
  for await (const { bytes } of lines) {
    length += bytes.length;
    if (length > DOCUMENT_BYTES_MAX) throw tooLong();
    all.push(bytes);
  }
  return Buffer.concat(all);
}

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Line> {
  let number = 1;
  let begun: Uint8Array[] = [];
  let begunLength = 0;
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield { bytes: Buffer.concat([...begun, chunk.subarray(start, end + 1)]), number };
      number += 1;
      begun = [];
      begunLength = 0;
      start = end + 1;
    }
    begun.push(chunk.subarray(start));
    begunLength += chunk.length - start;
    if (begunLength > DOCUMENT_BYTES_MAX) throw tooLong();
  }
  if (begunLength > 0) yield { bytes: Buffer.concat(begun), number };
}

function tooLong(): Error {
  return new Error(`An export has at most ${DOCUMENT_BYTES_MAX / 1_024 ** 2} MiB.`);
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === NEWLINE || byte === 0x0d);
}

function withoutLineEnd(bytes: Buffer): Buffer {
  const end = bytes.at(-1) === NEWLINE ? bytes.length - 1 : bytes.length;
  return bytes.subarray(0, bytes[end - 1] === 0x0d ? end - 1 : end);
}

function isJson(bytes: Buffer): boolean {
  return readJson(bytes).json !== null;
}

function readJson(bytes: Buffer): Pick<Item, 'json' | 'problem'> {
  let json: string;
  try {
    json = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { json: null, problem: 'it is not UTF-8 text' };
  }
  if (json.startsWith('\uFEFF')) return { json: null, problem: 'it begins with a byte order mark' };
  try {
    JSON.parse(json);
    return { json };
  } catch {
    return { json: null, problem: 'it is not JSON' };
  }
}
