import { parseDestination } from '../export/destination.ts';
import { ExportError } from '../export/errors.ts';
import type { ExportRequest, Poll } from '../export/export-service.ts';
import { memberTexts } from './data-text.ts';
import { judgeEach } from './element-error.ts';
import { bodyText, isObject, type Members, parseBody } from './json-body.ts';

/** Most elements of a batch. */
export const BATCH_ELEMENTS_MAX = 1_000;

/** What a request on `/export` or `/lp/export` asks for, its fields checked. */
export type ExportCall =
  | { readonly kind: 'new'; readonly isBatch: boolean; readonly requests: readonly ExportRequest[] }
  | { readonly kind: 'poll'; readonly isBatch: boolean; readonly polls: readonly Poll[] };

/** What may be in a body. */
export interface BodyRules {
  /** The header `Idempotency-Key`, unchecked. */
  readonly idempotencyHeader: string | undefined;
  /** The most that `attempts_max` may ask for. */
  readonly attemptsMax: number;
  readonly takesBatches: boolean;
}

/** What is read, and what may be in it. */
interface Source extends BodyRules {
  /** The whole body. */
  readonly text: string;
  readonly isBatch: boolean;
}

const NIL_UUID = '00000000-0000-0000-0000-000000000000';
const UUID = /^[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}$/i;
/** Visible ASCII; the bound is the interface's. */
const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/;

/**
 * Reads a body.
 *
 * @throws ExportError `invalid_json`, `invalid_request`
 */
export function readExportCall(body: Uint8Array | undefined, rules: BodyRules): ExportCall {
  const text = bodyText(body);
  const json = parseBody(text);
  const isBatch = Array.isArray(json);
  return readElements(isBatch ? json : [json], { ...rules, text, isBatch });
}

function readElements(elements: readonly unknown[], source: Source): ExportCall {
  const { isBatch } = source;
  if (isBatch) checkBatch(elements, source);
  const isPollCall = isObject(elements[0]) && isPoll(elements[0]);
  if (isPollCall) {
    const polls = judgeEach(elements, isBatch, (element) => readPoll(kindChecked(element, isPollCall)));
    return { kind: 'poll', isBatch, polls };
  }
  const dataTexts = lazily(() => memberTexts(source.text, 'data'));
  const requests = judgeEach(elements, isBatch, (element, index) =>
    readNew(kindChecked(element, isPollCall), source, () => dataTexts()[index] ?? 'null'),
  );
  return { kind: 'new', isBatch, requests };
}

function checkBatch(elements: readonly unknown[], source: Source): void {
  if (!source.takesBatches) {
    throw invalid('A frame holds one JSON object, and no array. Send each export in a frame of its own.');
  }
  if (source.idempotencyHeader !== undefined) {
    throw invalid(
      '"Idempotency-Key" is for a single export. In a batch give each element "idempotency_key".',
    );
  }
  if (elements.length === 0 || elements.length > BATCH_ELEMENTS_MAX) {
    throw invalid(`A batch has 1 to ${BATCH_ELEMENTS_MAX} elements; this one has ${elements.length}.`);
  }
}

/** The element's members, once it is certain that it asks for the same kind of thing as the first one. */
function kindChecked(element: unknown, isPollCall: boolean): Members {
  if (!isObject(element)) throw invalid('The request is no JSON object. Send {"uri": …, "data": …}.');
  if (isPoll(element) !== isPollCall) {
    throw invalid('A batch holds new exports or polls, not both: its elements differ in "id".');
  }
  return element;
}

/** Whether an `id` is given; the original's empty one and the nil UUID are none. */
function isPoll({ id }: Members): boolean {
  return id !== undefined && id !== null && id !== '' && id !== NIL_UUID;
}

function readPoll({ id, uri }: Members): Poll {
  if (typeof id !== 'string' || !UUID.test(id)) {
    throw invalid('"id" is no UUID. Give the one from the answer, or leave it out for a new export.');
  }
  if (uri !== undefined && typeof uri !== 'string') throw invalid('"uri" is no string.');
  return { id: id.toLowerCase(), destination: uri ?? null };
}

function readNew(members: Members, source: Source, dataText: () => string): ExportRequest {
  const { uri, data, attempts_max: attemptsMax, idempotency_key: key } = members;
  if (uri === undefined) throw invalid('"uri" is missing. Give the destination\'s URL.');
  if (typeof uri !== 'string') throw invalid('"uri" is no string.');
  if (data === undefined) throw invalid('"data" is missing. Give the JSON to export.');
  return {
    destination: parseDestination(uri),
    data: Buffer.from(typeof data === 'string' ? checkedDataText(data) : dataText()),
    attemptsMax: readAttemptsMax(attemptsMax, source.attemptsMax),
    idempotencyKey: readIdempotencyKey(key, source.idempotencyHeader),
  };
}

/** `data` given as a string: JSON text of any kind, which goes to the destination as it is. */
function checkedDataText(data: string): string {
  // Half of a surrogate pair has no UTF-8: it would arrive as something else than was given.
  if (!data.isWellFormed()) throw invalid('"data" is not well-formed Unicode: it has a lone surrogate.');
  try {
    JSON.parse(data);
  } catch {
    throw invalid('"data" is a string that does not hold JSON. To send text, quote it once more as JSON.');
  }
  return data;
}

function readAttemptsMax(value: unknown, attemptsMax: number): number | null {
  if (value === undefined) return null;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= attemptsMax)
    return value;
  throw invalid(`"attempts_max" is no whole number from 1 to ${attemptsMax}.`);
}

function readIdempotencyKey(member: unknown, header: string | undefined): string | null {
  if (member !== undefined) checkIdempotencyKey(member, 'idempotency_key');
  if (header !== undefined) checkIdempotencyKey(header, 'Idempotency-Key');
  if (member !== undefined && header !== undefined && member !== header) {
    throw invalid('"idempotency_key" and the header "Idempotency-Key" differ. Give one of them.');
  }
  return header ?? (member as string | undefined) ?? null;
}

function checkIdempotencyKey(value: unknown, name: string): void {
  if (typeof value === 'string' && IDEMPOTENCY_KEY.test(value)) return;
  throw invalid(`"${name}" is not 1 to 255 visible ASCII characters.`);
}

function invalid(message: string): ExportError {
  return new ExportError('invalid_request', message);
}

/** Computes a value when it is first asked for. */
function lazily<T extends object>(compute: () => T): () => T {
  let value: T | undefined;
  return () => {
    value ??= compute();
    return value;
  };
}
