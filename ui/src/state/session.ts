/** Signing in and out. The session itself is a cookie that no script can read; nothing of it is kept here. */
import { signal } from '@preact/signals';
import { ApiError, ask } from './api.ts';

/**
 * - `unknown`: it is being found out.
 * - `in`: the service lets this browser in.
 * - `out`: it does not; `why` says what has become of a link that was just used.
 */
export type Session =
  | { readonly kind: 'unknown' | 'in' }
  | { readonly kind: 'out'; readonly why: 'none' | 'ended' | 'signed-out' }
  /** `detail` is the service's own sentence. */
  | { readonly kind: 'out'; readonly why: 'link'; readonly detail: string }
  | { readonly kind: 'out'; readonly why: 'unreachable' };

export const session = signal<Session>({ kind: 'unknown' });

/** The fragment of a link: taken out of the address at once, so that it is in no history and no screenshot. */
function takeCode(): string | null {
  const code = new URLSearchParams(location.hash.slice(1)).get('code');
  if (code !== null) history.replaceState(null, '', location.pathname + location.search);
  return code;
}

/** Uses the link that the page was opened with, or the session that this browser has. */
export async function signIn(code = takeCode()): Promise<void> {
  try {
    if (code !== null) await ask('ui/session', { method: 'POST', body: { code } });
    // The cheapest question that only the owner may ask.
    await ask('owner/rules');
    session.value = { kind: 'in' };
  } catch (error) {
    session.value = refusal(error, code !== null);
  }
}

export async function signOut(): Promise<void> {
  await ask('ui/session', { method: 'DELETE' });
  session.value = { kind: 'out', why: 'signed-out' };
}

/** The service does not let this browser in any more. */
export function sessionEnded(): void {
  if (session.value.kind === 'in') session.value = { kind: 'out', why: 'ended' };
}

function refusal(error: unknown, hadCode: boolean): Session {
  if (!(error instanceof ApiError)) return { kind: 'out', why: 'unreachable' };
  if (hadCode) return { kind: 'out', why: 'link', detail: error.message };
  return error.status === 401 ? { kind: 'out', why: 'none' } : { kind: 'out', why: 'unreachable' };
}

// A link that is opened where the page is open already changes its fragment only.
addEventListener('hashchange', () => {
  const code = takeCode();
  if (code !== null) void signIn(code);
});
