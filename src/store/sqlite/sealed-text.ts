import type { SQLOutputValue } from 'node:sqlite';
import type { AttemptError, JobResult } from '../../export/job.ts';
import type { Vault } from '../vault/vault.ts';

/**
 * In front of details that are sealed; they stand in columns for text. Without it they are words: stores before schema
 * version 3 kept them as they were.
 */
const SEALED_MARK = 'sealed:';
const LOST_DETAIL = 'What it was cannot be opened any more: the store was damaged or changed.';

/** What destinations said, as it is stored. An empty text hides nothing and stays as it is. */
export class SealedText {
  readonly #vault: Vault;
  /** An attempt's error is stored three times over: as the attempt's, as the job's last one, and as how it ends. */
  #last = { id: '', detail: '', sealed: '' };

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  sealBody(id: string, body: string): Uint8Array | string {
    return body === '' ? '' : this.#vault.sealText('answer', id, body);
  }

  /** A body that cannot be opened is missing, and so the answer was cut off. */
  openAnswer(id: string, { body, truncated }: Record<string, SQLOutputValue>) {
    if (!(body instanceof Uint8Array)) return { body: String(body ?? ''), truncated: truncated === 1 };
    try {
      return { body: this.#vault.openText('answer', id, body), truncated: truncated === 1 };
    } catch {
      return { body: '', truncated: true };
    }
  }

  sealDetail(id: string, detail: string): string {
    if (id === this.#last.id && detail === this.#last.detail) return this.#last.sealed;
    const sealed = detail === '' ? '' : markSealed(this.#vault.sealText('detail', id, detail));
    this.#last = { id, detail, sealed };
    return sealed;
  }

  openDetail(id: string, stored: string): string {
    const sealed = sealedBytes(stored);
    if (sealed === null) return stored;
    try {
      return this.#vault.openText('detail', id, sealed);
    } catch {
      return LOST_DETAIL;
    }
  }

  openError(id: string, error: AttemptError | null): AttemptError | null {
    return error === null ? null : { ...error, detail: this.openDetail(id, error.detail) };
  }

  openFailure(id: string, result: JobResult | null): JobResult | null {
    if (result?.kind !== 'failure') return result;
    return {
      kind: 'failure',
      failure: { ...result.failure, detail: this.openDetail(id, result.failure.detail) },
    };
  }
}

/** Sealed bytes as they stand in a column for text. */
export function markSealed(bytes: Uint8Array): string {
  return `${SEALED_MARK}${Buffer.from(bytes).toString('base64url')}`;
}

/** What was sealed of a stored detail; null for words. */
export function sealedBytes(stored: string): Uint8Array | null {
  return stored.startsWith(SEALED_MARK) ? Buffer.from(stored.slice(SEALED_MARK.length), 'base64url') : null;
}
