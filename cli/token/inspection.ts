import { type Caveat, parseCaveat } from '../../src/auth/caveats.ts';
import { clearOwner, clearPoll, clearRequest, isOwnerPath } from '../../src/auth/clear.ts';
import type { Config } from '../../src/config.ts';
import { type Macaroon, verify } from '../../src/macaroon/macaroon.ts';
import { textOf } from '../../src/macaroon/text.ts';
import type { TokenParts } from './parts.ts';

/** What can be said of a token without using it. */
export interface Inspection {
  readonly location: string;
  readonly identifier: string;
  readonly caveats: readonly string[];
  /** Null when there is no root key to tell by. */
  readonly valid: boolean | null;
  /** Why not; null when it is valid. */
  readonly reason: string | null;
}

export async function inspect(macaroon: Macaroon, config: Config, parts: TokenParts): Promise<Inspection> {
  const caveats = macaroon.caveats.map(parseCaveat);
  return {
    location: macaroon.location,
    identifier: textOf(macaroon.identifier) ?? `hex:${Buffer.from(macaroon.identifier).toString('hex')}`,
    caveats: caveats.map((caveat) =>
      caveat.kind === 'third-party' ? `(third party at ${caveat.text})` : caveat.text,
    ),
    ...(await judge(macaroon, caveats, config, parts)),
  };
}

async function judge(
  macaroon: Macaroon,
  caveats: readonly Caveat[],
  config: Config,
  parts: TokenParts,
): Promise<Pick<Inspection, 'valid' | 'reason'>> {
  const found = await findRootKeys(config, parts);
  if (typeof found === 'string') return { valid: null, reason: found };
  if (!found.some((key) => verify(macaroon, key))) {
    return { valid: false, reason: 'it was not signed with this root key, or it was tampered with' };
  }
  const reason = whyNothingClears(caveats, config, parts.now());
  return { valid: reason === null, reason };
}

/** The root keys, or why there are none: what the token says can be read all the same. */
async function findRootKeys(config: Config, parts: TokenParts): Promise<readonly Uint8Array[] | string> {
  try {
    return await parts.loadRootKeys(config);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Asks the service's own judges about the request that the token itself describes. */
function whyNothingClears(caveats: readonly Caveat[], config: Config, now: number): string | null {
  const path = narrowest(caveats, 'path') ?? '/export';
  const method = narrowest(caveats, 'method') ?? 'POST';
  const access = { target: config.name, method, path, now };
  const denial = isOwnerPath(path)
    ? clearOwner(caveats, access)
    : (clearRequest(caveats, access) ?? clearPoll(caveats, config.requireDestination));
  return denial?.detail ?? null;
}

/** The narrowest value: after `path = *` was attenuated with `path = /export`, that is what the token is for. */
function narrowest(caveats: readonly Caveat[], kind: 'path' | 'method'): string | undefined {
  const values = caveats.flatMap((caveat) => (caveat.kind === kind ? [caveat.value] : []));
  const exact = values.find((value) => !value.endsWith('*'));
  return exact ?? values.toSorted((a, b) => b.length - a.length)[0];
}

/** For people: what could change the look of a terminal is escaped. */
export function inspectionText({ location, identifier, caveats, valid, reason }: Inspection): string {
  const verdict = valid === null ? 'unknown' : valid ? 'yes' : 'no';
  return [
    `location: ${visible(location)}`,
    `identifier: ${visible(identifier)}`,
    caveats.length === 0 ? 'caveats: (none)' : 'caveats:',
    ...caveats.map((caveat) => `  ${visible(caveat)}`),
    `valid: ${verdict}${reason === null ? '' : ` (${visible(reason)})`}`,
    '',
  ].join('\n');
}

function visible(text: string): string {
  if (text === '') return '(empty)';
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`,
  );
}
