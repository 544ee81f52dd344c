import type { InsertResult, NewJob } from '../../export/job-store.ts';
import type { BatchDone, Operation } from './operations.ts';

type Insert = Extract<Operation, { kind: 'insert' }>;

/** An operation without its payloads: these lie one after the other in a buffer beside it. */
export type PackedOperation =
  | Exclude<Operation, Insert>
  | (Insert & { readonly dataBytes: readonly number[] });

const EMPTY = new Uint8Array(0);

/**
 * Moves the payloads of all new jobs into one buffer, which changes threads without a copy. Left in the operations,
 * each would be copied together with the whole pool that Node's small buffers share.
 */
export function pack(operations: readonly Operation[]): { packed: PackedOperation[]; payloads: ArrayBuffer } {
  const payloads = new Uint8Array(totalBytes(operations));
  let offset = 0;
  const take = (job: NewJob): NewJob => {
    payloads.set(job.data, offset);
    offset += job.data.byteLength;
    return { ...job, data: EMPTY };
  };
  const packed = operations.map((operation): PackedOperation => {
    if (operation.kind !== 'insert') return operation;
    const dataBytes = operation.jobs.map((job) => job.data.byteLength);
    return { ...operation, jobs: operation.jobs.map(take), dataBytes };
  });
  return { packed, payloads: payloads.buffer };
}

/** The reverse of {@link pack}. */
export function unpack(packed: readonly PackedOperation[], payloads: ArrayBuffer): Operation[] {
  let offset = 0;
  const give = (job: NewJob, bytes = 0): NewJob => {
    const data = new Uint8Array(payloads, offset, bytes);
    offset += bytes;
    return { ...job, data };
  };
  return packed.map((operation): Operation => {
    if (operation.kind !== 'insert') return operation;
    const { dataBytes, ...insert } = operation;
    return { ...insert, jobs: insert.jobs.map((job, index) => give(job, dataBytes[index])) };
  });
}

/** Takes the payloads of jobs claimed at their insertion out of the results: whoever inserted them has them. */
export function withoutPayloads(done: BatchDone): BatchDone {
  return {
    ...done,
    results: done.results.map((result) => (isInserted(result) ? mapClaimed(result, () => EMPTY) : result)),
  };
}

/** Puts back what {@link withoutPayloads} took out. */
export function withPayloads(result: InsertResult, jobs: readonly NewJob[]): InsertResult {
  return isInserted(result) ? mapClaimed(result, (index) => jobs[index]?.data ?? EMPTY) : result;
}

type AllInserted = Extract<InsertResult, { kind: 'inserted' }>;

function isInserted(result: unknown): result is AllInserted {
  return (result as { kind?: unknown } | undefined)?.kind === 'inserted';
}

function mapClaimed(result: AllInserted, dataOf: (index: number) => Uint8Array): AllInserted {
  return {
    ...result,
    jobs: result.jobs.map((inserted, index) =>
      inserted.claimed === null
        ? inserted
        : { ...inserted, claimed: { ...inserted.claimed, data: dataOf(index) } },
    ),
  };
}

function totalBytes(operations: readonly Operation[]): number {
  return operations.reduce((bytes, operation) => bytes + payloadBytes(operation), 0);
}

/** How many bytes of payload an operation brings along. */
export function payloadBytes(operation: Operation): number {
  if (operation.kind !== 'insert') return 0;
  return operation.jobs.reduce((bytes, job) => bytes + job.data.byteLength, 0);
}
