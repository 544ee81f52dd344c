import type { WireSigningKey, WireSigningKeys } from './wire.ts';

/** The keys that a delivery may be signed with. */
export type ReceiverKeys =
  /** As `export-service key show` prints them: `whpk_…`. */
  | string
  | readonly string[]
  /** The JSON of `/.well-known/export-signing-keys`. */
  | WireSigningKeys;

export interface WebhookVerifierOptions {
  /**
   * Whom to believe. Get them once, over a way that you trust (from whoever owns the box), and never out of a delivery.
   * After a rotation a delivery has a signature for the old and for the new key for 24 hours: add the new one then.
   */
  keys: ReceiverKeys;
  /** How far the time of a delivery may be from now, in either direction, in milliseconds. Default 300,000 (5 minutes). */
  toleranceMs?: number;
  /** Milliseconds since 1970. Default `Date.now`. */
  now?: () => number;
}

/** The headers of a request: what `fetch` calls `Headers`, or an object with lower-case names as Node has it. */
export type WebhookHeaders =
  | { get(name: string): string | null }
  | Readonly<Record<string, string | readonly string[] | undefined>>;

/** A request as `fetch` knows it: what handlers get in Deno, Bun and workers. */
export interface WebhookRequest {
  readonly headers: { get(name: string): string | null };
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** A delivery that is what it says. */
export interface VerifiedWebhook {
  /**
   * The export's id, the same for every attempt: an export may come more than once, so remember the ids of the last days
   * and answer a repeat as you did the first time.
   */
  id: string;
  /** When this attempt was made. */
  sentAt: Date;
}

/** One that was read from a request, whose body can be read only once. */
export interface VerifiedRequest extends VerifiedWebhook {
  body: Uint8Array<ArrayBuffer>;
}

export type WebhookVerificationCode =
  /** One of the three headers is missing: not a signed delivery. */
  | 'missing_header'
  /** One of them is there and cannot be what a service sends. */
  | 'malformed_header'
  /** Sent too long ago: repeated by somebody, or a clock is wrong. */
  | 'too_old'
  /** From the future: a clock is wrong. */
  | 'too_new'
  /** Not from that box, changed on the way, or signed with a key that is not among yours. */
  | 'no_matching_signature';

/** The delivery is not to be believed. Answer it with 401 and do nothing else. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError';
  readonly code: WebhookVerificationCode;

  constructor(code: WebhookVerificationCode, message: string) {
    super(message);
    this.code = code;
  }
}

const TOLERANCE_MS_DEFAULT = 5 * 60 * 1_000;
/** The service signs with 4 keys at most; each that is looked at costs a verification. */
const SIGNATURES_MAX = 8;
const PUBLIC_KEY_BYTES = 32;
const PREFIX = 'whpk_';
/** Without a full stop: that divides id, time and body in what is signed, and must not be able to move. */
const ID = /^[\x21-\x2d\x2f-\x7e]{1,255}$/;
const SECONDS = /^\d{1,12}$/;

/**
 * Tells whether a request is a delivery of an export service: signed with a key that you know, unchanged, and sent just
 * now. (Standard Webhooks 1.0 with Ed25519, `v1a`.)
 */
export class WebhookVerifier {
  readonly #keys: Promise<UsableKey[]>;
  readonly #toleranceMs: number;
  readonly #now: () => number;

  /** @throws TypeError when `keys` holds none, or what is no key */
  constructor({ keys, toleranceMs = TOLERANCE_MS_DEFAULT, now = Date.now }: WebhookVerifierOptions) {
    this.#toleranceMs = toleranceMs;
    this.#now = now;
    this.#keys = Promise.all(publicKeys(keys).map(usable));
    // Whoever verifies hears of it.
    this.#keys.catch(() => {});
  }

  /**
   * Checks a request, and reads its body.
   *
   * @throws WebhookVerificationError when it is not to be believed
   */
  async verify(request: WebhookRequest): Promise<VerifiedRequest>;
  /**
   * Checks the headers and the body of a request, as Node's `IncomingMessage` has them.
   *
   * @param body exactly the bytes that came: JSON that was parsed and written again is something else
   * @throws WebhookVerificationError when it is not to be believed
   */
  async verify(headers: WebhookHeaders, body: string | Uint8Array): Promise<VerifiedWebhook>;
  async verify(
    from: WebhookRequest | WebhookHeaders,
    body?: string | Uint8Array,
  ): Promise<VerifiedRequest | VerifiedWebhook> {
    if (body !== undefined) return this.#verify(from as WebhookHeaders, body);
    if (!isRequest(from)) throw new TypeError('verify takes a Request, or the headers of one and its body.');
    const bytes = new Uint8Array(await from.arrayBuffer());
    return { ...(await this.#verify(from.headers, bytes)), body: bytes };
  }

  async #verify(headers: WebhookHeaders, body: string | Uint8Array): Promise<VerifiedWebhook> {
    const id = header(headers, 'webhook-id', ID);
    const seconds = header(headers, 'webhook-timestamp', SECONDS);
    const signatures = header(headers, 'webhook-signature', /./);
    const sentAt = Number(seconds) * 1_000;
    this.#checkTime(sentAt);
    const signed = concatenate(`${id}.${seconds}.`, body);
    for (const signature of readSignatures(signatures)) {
      for (const { key, untilMs } of await this.#keys) {
        // Nothing is signed with a key after its end: whoever does has stolen it.
        if (sentAt <= untilMs && (await crypto.subtle.verify('Ed25519', key, signature, signed))) {
          return { id, sentAt: new Date(sentAt) };
        }
      }
    }
    throw new WebhookVerificationError(
      'no_matching_signature',
      'No signature of the delivery was made with a key that is known here.',
    );
  }

  #checkTime(sentAt: number): void {
    const ageMs = this.#now() - sentAt;
    if (ageMs > this.#toleranceMs) throw new WebhookVerificationError('too_old', 'The delivery is too old.');
    if (-ageMs > this.#toleranceMs) {
      throw new WebhookVerificationError(
        'too_new',
        'The delivery comes from the future: look at the clocks.',
      );
    }
  }
}

function isRequest(from: WebhookRequest | WebhookHeaders): from is WebhookRequest {
  return 'arrayBuffer' in from && typeof from.arrayBuffer === 'function';
}

function header(headers: WebhookHeaders, name: string, form: RegExp): string {
  const value = isFetchHeaders(headers) ? headers.get(name) : headers[name];
  if (value === null || value === undefined || value === '') {
    throw new WebhookVerificationError(
      'missing_header',
      `The request has no ${name}: it is no signed delivery.`,
    );
  }
  if (typeof value !== 'string' || !form.test(value)) {
    throw new WebhookVerificationError('malformed_header', `The ${name} of the request is malformed.`);
  }
  return value;
}

function isFetchHeaders(headers: WebhookHeaders): headers is { get(name: string): string | null } {
  return typeof (headers as { get?: unknown }).get === 'function';
}

/** Those of our kind among the signatures; others (`v1,…`) are for whoever shares a secret with the sender. */
function readSignatures(value: string): Uint8Array<ArrayBuffer>[] {
  const ours = value.split(' ').filter((text) => text.startsWith('v1a,'));
  return ours.slice(0, SIGNATURES_MAX).flatMap((text) => fromBase64(text.slice('v1a,'.length)) ?? []);
}

function concatenate(head: string, body: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = new TextEncoder();
  const [first, second] = [encoder.encode(head), typeof body === 'string' ? encoder.encode(body) : body];
  const whole = new Uint8Array(first.length + second.length);
  whole.set(first);
  whole.set(second, first.length);
  return whole;
}

/** A public key, and until when it signs (`exp` of the JWK set; Infinity where none is said). */
interface PublicKey {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly untilMs: number;
}

interface UsableKey {
  readonly key: CryptoKey;
  readonly untilMs: number;
}

async function usable({ bytes, untilMs }: PublicKey): Promise<UsableKey> {
  return { key: await importKey(bytes), untilMs };
}

function publicKeys(keys: ReceiverKeys): PublicKey[] {
  const given = listed(keys);
  if (given.length === 0) throw new TypeError('A verifier needs at least one key.');
  return given;
}

function listed(keys: ReceiverKeys): PublicKey[] {
  if (typeof keys === 'string') return [fromText(keys)];
  if (isList(keys)) return keys.map(fromText);
  return keys.keys.filter(isOurKind).map(({ x, exp }) => ({
    bytes: checked(fromBase64(toBase64(String(x)))),
    untilMs: exp === undefined ? Number.POSITIVE_INFINITY : exp * 1_000,
  }));
}

/** `Array.isArray` alone does not tell the compiler what a list that is not one is. */
function isList(keys: readonly string[] | WireSigningKeys): keys is readonly string[] {
  return Array.isArray(keys);
}

/** A set may hold keys for other things; they are not for us (RFC 7517, section 5). */
function isOurKind(key: WireSigningKey): boolean {
  return key?.kty === 'OKP' && key.crv === 'Ed25519' && (key.use === undefined || key.use === 'sig');
}

function fromText(key: string): PublicKey {
  const bytes = checked(key.startsWith(PREFIX) ? fromBase64(key.slice(PREFIX.length)) : null);
  return { bytes, untilMs: Number.POSITIVE_INFINITY };
}

function checked(key: Uint8Array<ArrayBuffer> | null): Uint8Array<ArrayBuffer> {
  if (key?.length === PUBLIC_KEY_BYTES) return key;
  throw new TypeError(
    'A key is no public Ed25519 key. Give it as "export-service key show" prints it: whpk_….',
  );
}

function importKey(key: Uint8Array<ArrayBuffer>): Promise<CryptoKey> {
  return crypto.subtle.importKey('raw', key, 'Ed25519', false, ['verify']);
}

function toBase64(base64Url: string): string {
  return base64Url.replaceAll('-', '+').replaceAll('_', '/');
}

/** Null when it is no base64. */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
  } catch {
    return null;
  }
}
