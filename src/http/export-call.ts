import { parseDestination } from '../export/destination.ts';
import { ExportError } from '../export/errors.ts';
import type { ExportRequest, Poll } from '../export/export-service.ts';
import { memberTexts } from './data-text.ts';
import { judgeEach } from './element-error.ts';
import { bodyText, isObject, type Members, parseBody } from './json-body.ts';
import { lazily } from './lazily.ts';
import { judgeBy } from './schema/judge.ts';
import {
  BATCH_ELEMENTS_MAX,
  IDEMPOTENCY_KEY_SCHEMA,
  NIL_UUID,
  newExportSchema,
  POLL_SCHEMA,
} from './schema/request-schemas.ts';

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

/** A new export whose members have the kinds that its schema says. */
interface NewExportMembers {
  readonly uri: string;
  readonly data: unknown;
  readonly attempts_max?: number;
  readonly idempotency_key?: string;
}

const judgePoll: (members: Members) => asserts members is { id: string; uri?: string } & Members =
  judgeBy(POLL_SCHEMA);
const judgeIdempotencyHeader = judgeBy(IDEMPOTENCY_KEY_SCHEMA, { whole: 'The header "Idempotency-Key"' });
/** By the most that `attempts_max` may ask for. A process has one, and tests have a few. */
const judgesOfNew = new Map<number, (members: Members) => void>();

function judgeOfNew(attemptsMax: number): (members: Members) => void {
  const known = judgesOfNew.get(attemptsMax);
  if (known !== undefined) return known;
  const made = judgeBy(newExportSchema(attemptsMax));
  judgesOfNew.set(attemptsMax, made);
  return made;
}

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

function readPoll(members: Members): Poll {
  judgePoll(members);
  return { id: members.id.toLowerCase(), destination: members.uri ?? null };
}

function readNew(members: Members, source: Source, dataText: () => string): ExportRequest {
  judgeOfNew(source.attemptsMax)(members);
  const {
    uri,
    data,
    attempts_max: attemptsMax,
    idempotency_key: key,
  } = members as unknown as NewExportMembers;
  return {
    destination: parseDestination(uri),
    data: Buffer.from(typeof data === 'string' ? data : dataText()),
    attemptsMax: attemptsMax ?? null,
    idempotencyKey: readIdempotencyKey(key, source.idempotencyHeader),
  };
}

function readIdempotencyKey(member: string | undefined, header: string | undefined): string | null {
  if (header !== undefined) judgeIdempotencyHeader(header);
  if (member !== undefined && header !== undefined && member !== header) {
    throw invalid('"idempotency_key" and the header "Idempotency-Key" differ. Give one of them.');
  }
  return header ?? member ?? null;
}

function invalid(message: string): ExportError {
  return new ExportError('invalid_request', message);
}
