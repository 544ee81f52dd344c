/**
 * The shapes of the HTTP interface, as they travel. The client owns them; the service answers in them.
 */

/** `Pending` while queued, `Processing` from the first attempt to the end, `Finished` once, for good. */
export type WireState = 'Pending' | 'Processing' | 'Finished';

/** Any JSON value. */
export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/** One new export in a request's body. */
export interface WireNewExport {
  /** Left out, null, `""` or the nil UUID: a new export. */
  id?: string | null;
  /** The destination, exactly as the token names it. */
  uri: string;
  /** A string that holds JSON text (sent byte for byte), or any other JSON value. */
  data: JsonValue;
  /** 1 to the service's own maximum. */
  attempts_max?: number;
  /** In a batch only; a single export has the header `Idempotency-Key`. */
  idempotency_key?: string;
}

/** Asks how an export went. */
export interface WirePoll {
  id: string;
  /** When given, it must be the export's destination. */
  uri?: string;
}

/** Why no answer of the destination ended an export, or why its last attempt failed. */
export interface WireError {
  code: WireErrorCode;
  detail: string;
}

export type WireErrorCode =
  | 'timeout'
  | 'expired'
  | 'dns_failed'
  | 'connection_failed'
  | 'tls_failed'
  | 'malformed_response'
  | 'address_refused'
  | 'blocked_by_owner'
  | 'cancelled'
  /** In `last_error` only: an answer that is tried again. */
  | 'http_status'
  /** In `last_error` only: the service died before the answer came. */
  | 'answer_unknown';

/** How an export ended. */
export interface WireResponse {
  /** Such as `200 OK`. */
  status: string;
  body: string;
  /** There when the body was longer than the service keeps. */
  truncated?: true;
  /** There only when no answer of the destination ended the export. */
  error?: WireError;
}

/** The service's answer, for new exports and polls alike. */
export interface WireExport {
  id: string;
  state: WireState;
  /** `{}` until `Finished`. */
  ext_response: WireResponse | Record<string, never>;
  /** These three while it waits for another attempt. */
  attempts?: number;
  /** RFC 3339. */
  next_attempt_at?: string;
  last_error?: WireError;
}

/** A refusal: `application/problem+json` (RFC 9457). */
export interface WireProblem {
  type: string;
  title: string;
  status: number;
  detail: string;
  code: string;
}

/** A public key that deliveries are signed with: a JSON web key (RFC 7517, RFC 8037). */
export interface WireSigningKey {
  kty: 'OKP';
  crv: 'Ed25519';
  /** The key, base64url. */
  x: string;
  kid: string;
  use: 'sig';
  alg: 'EdDSA';
  /** There when the key was replaced: when the service stops signing with it, in seconds since 1970. */
  exp?: number;
}

/** What `/.well-known/export-signing-keys` answers; the newest key is the first. */
export interface WireSigningKeys {
  keys: WireSigningKey[];
}

/** An export as the owner sees it; never what was exported. Times are RFC 3339. */
export interface WireOwnedExport {
  id: string;
  /** The macaroon's identifier; null when the token named no app, as those of a real arbiter. */
  app: string | null;
  /** Who handed it in: an address, and in brackets its name on the box's network. Not proven. */
  peer: string | null;
  destination: string;
  state: WireState;
  /** Null until it has ended. */
  outcome: WireOutcome | null;
  /** Of its data. */
  bytes: number;
  accepted_at: string;
  finished_at: string | null;
  attempts: WireAttempt[];
  /** The rule that keeps it from leaving. */
  held_by: string | null;
  /** The export that this one repeats. */
  redelivery_of: string | null;
}

export type WireOutcome = 'delivered' | 'undeliverable' | 'blocked' | 'cancelled';

export interface WireAttempt {
  number: number;
  started_at: string;
  ended_at: string;
  /** The address connected to. */
  address: string | null;
  /** SHA-256 of the certificate shown there, in hex, also of one that was refused; null without TLS, or when none was shown. */
  tls_fingerprint: string | null;
  /** Of the destination's answer. */
  status: number | null;
  error: WireError | null;
}

/** A page of a list; `next` is where the next one begins, null on the last. */
export interface WirePage<Item> {
  items: Item[];
  next: string | null;
}

/** What went from an app to a destination. */
export interface WireSummary {
  app: string | null;
  destination: string;
  accepted: number;
  /** How many ended how; `open` have not. */
  outcomes: Record<WireOutcome | 'open', number>;
  bytes: number;
  first_at: string;
  last_at: string;
}

/** What the owner asks for with a rule. Neither `app` nor `destination` means everything. */
export type WireNewRule = {
  app?: string | null;
  /** An exact URL, or an origin. */
  destination?: string | null;
  note?: string | null;
} & (
  | { kind: 'block' | 'hold' }
  | { kind: 'budget'; limit: number; unit: 'bytes' | 'exports'; per: 'hour' | 'day' }
);

/** A rule that is in force; what it does not have is left out. */
export interface WireRule {
  id: string;
  kind: 'block' | 'hold' | 'budget';
  app?: string;
  destination?: string;
  limit?: number;
  unit?: 'bytes' | 'exports';
  per?: 'hour' | 'day';
  note?: string;
  created_at: string;
}

/** What a new root key from the arbiter changed. */
export interface WireRootKeyRefresh {
  /** Keys that are good now. */
  keys: number;
  /** Keys that are no more. */
  dropped: number;
}

/** A one-time code that opens the owner's page. */
export interface WireLink {
  code: string;
  expires_at: string;
}

/** A log of the ledger. */
export interface WireLedgerLog {
  /** Its name. */
  origin: string;
  /** `NAME+ID+KEY`, for whoever checks what it signed. */
  verifier_key: string;
  /** How many entries it has. */
  size: number;
}

/** One entry of the ledger. */
export interface WireLedgerEntry {
  /** Its place in the log, from 0. */
  index: number;
  /** The text that was hashed, one line of JSON; null once it is erased. */
  entry: string | null;
  /** SHA-256, base64. */
  leaf_hash: string;
}
