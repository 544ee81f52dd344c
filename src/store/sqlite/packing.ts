import type { ExportJob } from '../../export/job.ts';
import type {
  Claim,
  ClaimedJob,
  ClaimRequest,
  EndedJob,
  HeldLease,
  Inserted,
  InsertLimits,
  InsertResult,
  LaneBacklog,
  NewJob,
  Settlement,
} from '../../export/job-store.ts';
import type { BatchDone, Operation, ResultOf } from './operations.ts';

type Result = BatchDone['results'][number];

/**
 * A list on its way between the threads. What exports need all the time goes as JSON, which takes a third of the time that
 * a copy of the objects does; bytes lie in a buffer beside it, which changes threads without a copy, and in the JSON stands
 * how many they are. What is rare goes as objects, with its place in the list.
 */
export interface Packed<T> {
  readonly json: string;
  readonly bytes: ArrayBuffer;
  readonly others: readonly (readonly [index: number, value: T])[];
}

export type PackedBatch = Packed<Operation>;
/** The results; what else is told of a batch is a few words, and goes as it is. */
export type PackedDone = Omit<BatchDone, 'results' | 'ended'> & {
  readonly packedResults: Packed<Result>;
  /** As JSON; null for none. */
  readonly packedEnded: string | null;
};

/** JSON has no bytes, and would make something else of them without a word: there are none but those that are taken out. */
type HasBytes<T> = T extends Uint8Array
  ? true
  : T extends readonly (infer E)[]
    ? HasBytes<E>
    : T extends object
      ? { [K in keyof T]: HasBytes<T[K]> }[keyof T]
      : never;
type WithoutBytes =
  | Omit<NewJob, 'data' | 'idempotency'>
  | Omit<ClaimedJob, 'data'>
  | InsertLimits
  | ClaimRequest
  | Settlement
  | HeldLease
  | ExportJob
  | EndedJob
  | LaneBacklog;
true satisfies [HasBytes<WithoutBytes>] extends [never] ? true : false;

export function pack(operations: readonly Operation[]): PackedBatch {
  return packAll(operations, (operation, bytes) => {
    switch (operation.kind) {
      case 'insert':
        return { ...operation, jobs: operation.jobs.map((job) => packJob(job, bytes)) };
      case 'claim':
      case 'settle':
      case 'extendLeases':
        return operation;
      default:
        return undefined;
    }
  });
}

/** The reverse of {@link pack}. The payloads are parts of one buffer. */
export function unpack(packed: PackedBatch): Operation[] {
  return unpackAll(packed, (operation, bytes) => {
    if (operation.kind !== 'insert') return operation;
    return { ...operation, jobs: operation.jobs.map((job) => unpackJob(job, bytes)) };
  });
}

/** @param operations those that the results are of */
export function packDone(
  { results, ended, ...done }: BatchDone,
  operations: readonly Operation[],
): PackedDone {
  const packedResults = packAll(results, (result, bytes, index) => {
    switch (operations[index]?.kind) {
      // Whoever inserted a job has its payload.
      case 'insert':
        return mapClaimed(result as InsertResult, (job) => ({ ...job, data: NO_BYTES }));
      case 'claim':
        return packClaim(result as Claim, bytes);
      case 'settle': {
        const { settled, next } = result as ResultOf<Extract<Operation, { kind: 'settle' }>>;
        return { settled, next: packClaim(next, bytes) };
      }
      default:
        return undefined;
    }
  });
  return { ...done, packedResults, packedEnded: ended.length === 0 ? null : JSON.stringify(ended) };
}

/** The reverse of {@link packDone}; `operations` are the same. Each payload is a buffer of its own. */
export function unpackDone(
  { packedResults, packedEnded, ...done }: PackedDone,
  operations: readonly Operation[],
): BatchDone {
  const results = unpackAll(packedResults, (result, bytes, index) => {
    const operation = operations[index];
    switch (operation?.kind) {
      case 'insert':
        return mapClaimed(result as InsertResult, (job, element) => ({
          ...job,
          data: operation.jobs[element]?.data ?? NO_BYTES,
        }));
      case 'claim':
        return unpackClaim(result as Claim, bytes);
      case 'settle': {
        const { settled, next } = result as ResultOf<Extract<Operation, { kind: 'settle' }>>;
        return { settled, next: unpackClaim(next, bytes) };
      }
      default:
        throw new TypeError('A result was packed that is not to be.');
    }
  });
  return { ...done, results, ended: packedEnded === null ? [] : JSON.parse(packedEnded) };
}

/** How many bytes of payload an operation brings along. */
export function payloadBytes(operation: Operation): number {
  if (operation.kind !== 'insert') return 0;
  return operation.jobs.reduce((bytes, job) => bytes + job.data.byteLength, 0);
}

/** Of bytes that are elsewhere. */
const NO_BYTES = new Uint8Array(0);

/** Bytes on their way out: in their place stands how many they are. */
class BytesOut {
  readonly #parts: Uint8Array[] = [];
  #length = 0;

  take(bytes: Uint8Array): Uint8Array {
    this.#parts.push(bytes);
    this.#length += bytes.byteLength;
    // JSON's side of a type that it does not have: `unpack` puts the bytes back before anybody sees it.
    return bytes.byteLength as unknown as Uint8Array;
  }

  toBuffer(): ArrayBuffer {
    const all = new Uint8Array(this.#length);
    let offset = 0;
    for (const part of this.#parts) {
      all.set(part, offset);
      offset += part.byteLength;
    }
    return all.buffer;
  }
}

/** Bytes on their way in, in the order in which they were taken out. */
class BytesIn {
  readonly #buffer: ArrayBuffer;
  #offset = 0;

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer;
  }

  /** @param count what stands in the place of the bytes */
  give(count: Uint8Array): Uint8Array {
    const length = count as unknown as number;
    this.#offset += length;
    return new Uint8Array(this.#buffer, this.#offset - length, length);
  }
}

/** @param toJson what of an element goes as JSON; undefined for one that does not */
function packAll<T>(
  list: readonly T[],
  toJson: (element: T, bytes: BytesOut, index: number) => unknown,
): Packed<T> {
  const bytes = new BytesOut();
  const others: [number, T][] = [];
  const plain = list.map((element, index) => {
    const json = toJson(element, bytes, index);
    if (json !== undefined) return json;
    others.push([index, element]);
    return null;
  });
  return { json: JSON.stringify(plain), bytes: bytes.toBuffer(), others };
}

function unpackAll<T>(
  { json, bytes, others }: Packed<T>,
  fromJson: (element: T, bytes: BytesIn, index: number) => T,
): T[] {
  const bytesIn = new BytesIn(bytes);
  const list = JSON.parse(json) as T[];
  const isOther = new Map(others);
  return list.map((element, index) =>
    isOther.has(index) ? (isOther.get(index) as T) : fromJson(element, bytesIn, index),
  );
}

function packJob(job: NewJob, bytes: BytesOut): NewJob {
  const { data, idempotency } = job;
  const packed = { ...job, data: bytes.take(data) };
  if (idempotency === null) return packed;
  return { ...packed, idempotency: { ...idempotency, digest: bytes.take(idempotency.digest) } };
}

function unpackJob(job: NewJob, bytes: BytesIn): NewJob {
  const { data, idempotency } = job;
  const unpacked = { ...job, data: bytes.give(data) };
  if (idempotency === null) return unpacked;
  return { ...unpacked, idempotency: { ...idempotency, digest: bytes.give(idempotency.digest) } };
}

function packClaim(claim: Claim, bytes: BytesOut): Claim {
  if (claim.jobs.length === 0) return claim;
  return { ...claim, jobs: claim.jobs.map((job) => ({ ...job, data: bytes.take(job.data) })) };
}

function unpackClaim(claim: Claim, bytes: BytesIn): Claim {
  if (claim.jobs.length === 0) return claim;
  // A copy: a job that is sent for minutes would keep the payloads of all that were claimed with it.
  return { ...claim, jobs: claim.jobs.map((job) => ({ ...job, data: bytes.give(job.data).slice() })) };
}

function mapClaimed(result: InsertResult, map: (job: ClaimedJob, index: number) => ClaimedJob): InsertResult {
  if (result.kind !== 'inserted') return result;
  const jobs = result.jobs.map((inserted: Inserted, index) =>
    inserted.claimed === null ? inserted : { ...inserted, claimed: map(inserted.claimed, index) },
  );
  return { ...result, jobs };
}
