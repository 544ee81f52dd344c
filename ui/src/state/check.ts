/** The check of the record, as far as it is. */
import { signal } from '@preact/signals';
import type { FromWorker, VerifyJob } from '../ledger/verify-worker.ts';
import workerUrl from '../ledger/verify-worker.ts?worker&url';
import type { LedgerLog } from '../wire.ts';
import { askText, query } from './api.ts';

/** What the check has come to; null before the first. */
export type Check = FromWorker | { readonly kind: 'progress'; readonly done: number; readonly all: number };

export const check = signal<Check | null>(null);
let worker: Worker | null = null;

/** What browsers have that let only known addresses become code (`trusted-types` in the policy of the page). */
interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): {
    createScriptURL(url: string): unknown;
  };
}
const { trustedTypes } = globalThis as { readonly trustedTypes?: TrustedTypes };
const policy = trustedTypes?.createPolicy('worker', { createScriptURL: (url) => url });
/** Made here and nowhere else, and of this address alone. */
const TRUSTED_URL = policy?.createScriptURL(workerUrl) ?? workerUrl;

/** Begins anew. @param kept a checkpoint that the owner kept; null for none */
export async function startCheck(log: LedgerLog, kept: string | null): Promise<void> {
  stopCheck();
  const mine = new Worker(TRUSTED_URL as string, { type: 'module' });
  worker = mine;
  check.value = { kind: 'progress', done: 0, all: log.size };
  mine.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => {
    check.value = data;
    if (data.kind !== 'progress') end(mine);
  });
  mine.addEventListener('error', ({ message }) => fail(mine, message));
  try {
    const checkpoint = await readCheckpoint(log.origin);
    const job: VerifyJob = { origin: log.origin, verifierKey: log.verifier_key, checkpoint, kept };
    mine.postMessage(job);
  } catch (error) {
    fail(mine, (error as Error).message);
  }
}

export function stopCheck(): void {
  if (worker !== null) end(worker);
  check.value = null;
}

export function readCheckpoint(log: string): Promise<string> {
  return askText(`owner/ledger/checkpoint${query({ log })}`);
}

function fail(which: Worker, detail: string): void {
  if (worker !== which) return;
  end(which);
  check.value = { kind: 'failed', detail };
}

function end(which: Worker): void {
  which.terminate();
  if (worker === which) worker = null;
}
