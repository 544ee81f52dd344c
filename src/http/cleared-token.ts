import type { VerifiedToken } from '../auth/authorizer.ts';
import type { Clock } from '../export/clock.ts';
import type { RequestAuthorizer } from './request-authorizer.ts';

/** What judges a token. */
export interface TokenJudge {
  readonly authorizer: RequestAuthorizer;
  readonly clock: Clock;
}

/** What it is judged for. */
export interface TokenUse {
  /** As the headers present it; undefined when they do not. */
  readonly tokenText: string | undefined;
  readonly method: string;
  readonly path: string;
}

/**
 * The stages of judgement that look at the token alone (interface, section 3): there, well-formed and signed, and its
 * caveats cleared other than `destination` and `data-bytes`.
 *
 * @throws ExportError `no_root_key`, `missing_token`, `malformed_token`, `invalid_token`, `caveat_refused`,
 *   `caveat_missing`
 */
export function clearedToken({ authorizer, clock }: TokenJudge, use: TokenUse): VerifiedToken {
  const token = authorizer.authenticate(use.tokenText);
  authorizer.clearRequest(token, { method: use.method, path: use.path, now: clock.now() });
  return token;
}
