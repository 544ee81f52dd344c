import { parseCaveatText } from '../../src/auth/caveats.ts';
import { isOwnerPath } from '../../src/auth/clear.ts';
import { parseRfc3339 } from '../../src/auth/rfc3339.ts';
import type { CommandIo } from '../../src/command.ts';
import { parseDurationMs } from '../../src/config/quantities.ts';
import { type Arguments, quote, UsageError } from '../../src/config.ts';
import { parseDestination } from '../../src/export/destination.ts';

const HOUR_MS = 3_600_000;
/** An owner token opens everything that left the box, so it does not stay good by oversight. */
const OWNER_LIFE_DEFAULT_MS = 12 * HOUR_MS;
const LIFE_MS_MAX = 36_500 * 24 * HOUR_MS;

/**
 * The caveats of a new token: path, method, target, destination, time, then the extra ones.
 *
 * @param serviceName what `target` says unless told otherwise
 * @throws UsageError
 */
export function caveatsToMint(given: Arguments, serviceName: string, now: number): string[] {
  const path = readPath(given.text('path') ?? '/export');
  const isOwner = isOwnerPath(path);
  return [
    ours('path', path),
    ours('method', readMethod(given.text('method') ?? 'POST')),
    ours('target', given.text('target') ?? serviceName),
    ...destinationCaveat(given.text('destination'), isOwner),
    ...timeCaveat(given.text('expires'), isOwner, now),
    ...extraCaveats(given),
  ];
}

/** @throws UsageError for an empty one */
export function extraCaveats(given: Arguments): readonly string[] {
  const caveats = given.all('caveat');
  if (caveats.some((caveat) => caveat.trim() === '')) throw new UsageError('--caveat must not be empty');
  return caveats;
}

/** A caveat nobody understands makes a token useless, and that shows only when an app uses it: so say it now. */
export function warnOfUnknown(caveats: readonly string[], io: CommandIo): void {
  for (const caveat of caveats.filter((text) => parseCaveatText(text).kind === 'unknown')) {
    io.stderr.write(
      `export-service: warning: the service does not know the caveat ${quote(caveat)} and will refuse this token\n`,
    );
  }
}

function readPath(path: string): string {
  if (path !== '*' && !path.startsWith('/')) {
    throw new UsageError(`--path must begin with / or be '*', not ${quote(path)}`);
  }
  return path;
}

function readMethod(method: string): string {
  if (!/^([A-Za-z]{1,32}|\*)$/.test(method)) {
    throw new UsageError(`--method must be an HTTP method or '*', not ${quote(method)}`);
  }
  return method.toUpperCase();
}

function destinationCaveat(destination: string | null, isOwner: boolean): string[] {
  if (isOwner) {
    if (destination === null) return [];
    throw new UsageError("--destination does not go with an owner's path");
  }
  if (destination === null)
    throw new UsageError('--destination is missing: the URL that this token may export to');
  if (!isHttpUrl(destination)) {
    throw new UsageError(
      `--destination must be an absolute http: or https: URL such as https://example.org/in, not ${quote(destination)}`,
    );
  }
  return [ours('destination', destination)];
}

function isHttpUrl(text: string): boolean {
  try {
    return /^https?:$/.test(parseDestination(text).url.protocol);
  } catch {
    return false;
  }
}

function timeCaveat(expires: string | null, isOwner: boolean, now: number): string[] {
  if (expires !== null) return [`time < ${expiry(expires, now)}`];
  return isOwner ? [`time < ${new Date(now + OWNER_LIFE_DEFAULT_MS).toISOString()}`] : [];
}

function expiry(text: string, now: number): string {
  const lifeMs = parseDurationMs(text);
  if (lifeMs !== null && lifeMs > 0 && lifeMs <= LIFE_MS_MAX) return new Date(now + lifeMs).toISOString();
  const expiresAt = parseRfc3339(text);
  if (expiresAt === undefined) {
    throw new UsageError(
      `--expires must be a duration up to 36500d, such as 1h, or a time such as 2030-01-31T12:00:00Z, not ${quote(text)}`,
    );
  }
  if (expiresAt <= now) throw new UsageError(`--expires must be in the future, not ${quote(text)}`);
  return text;
}

/** One of the service's own caveats, written so that it reads the same value out again. */
function ours(kind: 'path' | 'method' | 'target' | 'destination', value: string): string {
  const text = `${kind} = ${value}`;
  const caveat = parseCaveatText(text);
  if (value === '' || caveat.kind !== kind) {
    throw new UsageError(`--${kind} must not be empty, nor begin or end with a blank`);
  }
  return text;
}
