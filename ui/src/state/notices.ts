/** Short words about what was done, with a way back where there is one. */
import { signal } from '@preact/signals';

export interface Notice {
  readonly id: number;
  readonly text: string;
  readonly isError: boolean;
  /** Takes it back; null when there is no way back. */
  readonly undo: (() => Promise<void>) | null;
}

/** More than these would hide the page. */
const NOTICES_MAX = 3;
/** An error stays until it is closed; what went well needs no answer. */
const SHOWN_MS = 20_000;

export const notices = signal<readonly Notice[]>([]);
let count = 0;

export function tell(text: string, undo: Notice['undo'] = null): void {
  show({ text, undo, isError: false });
}

export function tellError(text: string): void {
  show({ text, undo: null, isError: true });
}

export function dismiss(id: number): void {
  notices.value = notices.value.filter((notice) => notice.id !== id);
}

function show(notice: Omit<Notice, 'id'>): void {
  count += 1;
  const id = count;
  notices.value = [...notices.value, { ...notice, id }].slice(-NOTICES_MAX);
  if (!notice.isError) setTimeout(() => dismiss(id), SHOWN_MS);
}
