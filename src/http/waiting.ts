/** What `/lp/export` waits when the request does not say, or says something that is no number. */
const TIMEOUT_MS_DEFAULT = 5_000;

/** Numbers as the original read them (OCaml's float syntax), without its hexadecimal and underscore forms. */
const NUMBER = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const INFINITY = /^([+-]?)inf(?:inity)?$/i;

/**
 * How long a poll on `/lp/export` waits for a change.
 *
 * @param timeout the query parameter, in seconds; undefined when there is none
 * @returns milliseconds from 0 to `longPollMaxMs`
 */
export function longPollTimeoutMs(timeout: string | undefined, longPollMaxMs: number): number {
  const ms = (timeout === undefined ? undefined : timeoutMs(timeout.trim())) ?? TIMEOUT_MS_DEFAULT;
  return Math.min(Math.max(ms, 0), longPollMaxMs);
}

function timeoutMs(text: string): number | undefined {
  if (NUMBER.test(text)) return Number(text) * 1_000;
  const infinity = INFINITY.exec(text);
  if (infinity === null) return undefined;
  return infinity[1] === '-' ? 0 : Number.POSITIVE_INFINITY;
}

/** A preference called `wait`, with or without a value that makes sense. */
const WAIT = /^\s*wait\s*(?:[=;]|$)/i;
const WAIT_SECONDS = /^\s*wait\s*=\s*(?:(\d+)|"(\d+)")\s*(?:;|$)/i;

/**
 * The seconds that `Prefer: wait=SECONDS` (RFC 7240) asks for, before any ceiling; undefined when it does not, or not
 * in whole seconds. Of several the first counts, as the RFC says.
 *
 * @param prefer all `Prefer` headers joined with commas, as Node does
 */
export function preferredWaitSeconds(prefer: string | undefined): number | undefined {
  if (prefer === undefined) return undefined;
  const wait = listElements(prefer).find((element) => WAIT.test(element));
  const seconds = wait === undefined ? null : WAIT_SECONDS.exec(wait);
  return seconds === null ? undefined : Number(seconds[1] ?? seconds[2]);
}

/** Splits a header at its commas, but not at those in quotes. */
function listElements(header: string): string[] {
  const elements: string[] = [];
  let start = 0;
  let isQuoted = false;
  for (let at = 0; at < header.length; at += 1) {
    const char = header[at];
    if (char === '"') isQuoted = !isQuoted;
    else if (isQuoted && char === '\\') at += 1;
    else if (!isQuoted && char === ',') {
      elements.push(header.slice(start, at));
      start = at + 1;
    }
  }
  elements.push(header.slice(start));
  return elements;
}
