/** The check of the record, in a thread of its own: the page stays alive meanwhile. */
import { ask, query } from '../state/api.ts';
import type { LedgerItem, Page } from '../wire.ts';
import { NoSignaturesError } from './open-checkpoint.ts';
import { type VerifyInput, verifyLog } from './verify-log.ts';

export interface VerifyJob extends VerifyInput {
  readonly origin: string;
}

export type FromWorker =
  | { readonly kind: 'progress'; readonly done: number; readonly all: number }
  | { readonly kind: 'verdict'; readonly verdict: Awaited<ReturnType<typeof verifyLog>> }
  /** `untrusted`: a signature or a form does not hold. `no-signatures`: this browser cannot tell. `failed`: no answer. */
  | {
      readonly kind: 'untrusted' | 'no-signatures' | 'failed';
      readonly detail: string;
    };

const ENTRIES = 500;
const UNTRUSTED = ['UntrustedNoteError', 'MalformedLedgerError'];

self.addEventListener('message', ({ data }: MessageEvent<VerifyJob>) => void verify(data));

async function verify(job: VerifyJob): Promise<void> {
  const read = (from: number) =>
    ask<Page<LedgerItem>>(`owner/ledger${query({ log: job.origin, from, limit: ENTRIES })}`);
  try {
    const verdict = await verifyLog(job, read, (done, all) => tell({ kind: 'progress', done, all }));
    tell({ kind: 'verdict', verdict });
  } catch (error) {
    const { name, message } = error as Error;
    if (error instanceof NoSignaturesError) tell({ kind: 'no-signatures', detail: message });
    else tell({ kind: UNTRUSTED.includes(name) ? 'untrusted' : 'failed', detail: message });
  }
}

function tell(message: FromWorker): void {
  self.postMessage(message);
}
