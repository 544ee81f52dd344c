import {
  address,
  type Check,
  type Checked,
  code,
  count,
  digest,
  fingerprint,
  isBoolean,
  isTime,
  matching,
  NAME_LENGTH_MAX,
  name,
  oneOf,
  orNull,
  status,
  text,
  uuid,
} from './entry-fields.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';

/** What an entry's text begins to look like with this version. In the first entry of each log. */
export const ENTRY_FORMAT = 'databox-export-ledger@v1';

/**
 * Longest entry, in UTF-8 bytes. No entry of ours reaches it: three names of 8 Ki units, each at most six bytes in JSON,
 * and little else.
 */
export const ENTRY_BYTES_MAX = 256 * 1024;

/** Longest checkpoint in an entry: three lines and the log's own signature, whatever its name. */
const CHECKPOINT_LENGTH_MAX = 4 * NAME_LENGTH_MAX;

/** The log that a log goes on from. */
export interface PreviousLog {
  readonly origin: string;
  /** Its last checkpoint that is known, a signed note; null when none is. */
  readonly checkpoint: string | null;
  /** How many of its entries are still in the store. */
  readonly kept: number;
}

const isPreviousLog: Check<PreviousLog> = (value): value is PreviousLog => {
  if (typeof value !== 'object' || value === null) return false;
  if (Object.keys(value).join() !== 'origin,checkpoint,kept') return false;
  const { origin, checkpoint, kept } = value as Record<string, unknown>;
  return name(origin) && orNull(text(CHECKPOINT_LENGTH_MAX))(checkpoint) && count(kept);
};

/** Of every entry about one export. */
const EXPORT = {
  export: uuid,
  /** The macaroon's identifier; null when the token named no app. */
  app: orNull(name),
  destination: name,
};

/** Whom an owner's token named; null when it named nobody. */
const BY = { by: orNull(name) };

/** How the exchange with a destination went. */
const EXCHANGE = {
  /** The address connected to; null when none was. */
  address: orNull(address),
  /** SHA-256 of the certificate that the destination showed, also of one that was refused; null when it showed none. */
  tls_fingerprint: orNull(fingerprint),
  /** Of the destination's answer; null when there was none. */
  status: orNull(status),
  /** Why there was none, or none that counts; null when all went well. */
  error: orNull(code),
};

/**
 * Every kind of entry: its fields in the order in which they are written, and what each may hold. What is in none of
 * them: payloads, answers, tokens, secret keys, error texts and the owner's notes. Append only, like the ledger.
 */
const KINDS = {
  /** The first entry of each log. */
  log: {
    format: matching(/^[a-z-]+@v[0-9]+$/),
    origin: name,
    reason: oneOf('first_log', 'no_outside_head', 'store_behind'),
    previous: orNull(isPreviousLog),
  },
  /** The service began to run. */
  start: { version: text(64) },
  /** An export was taken in. `peer` is the submitter's address. */
  accepted: {
    ...EXPORT,
    bytes: count,
    /** HMAC-SHA-256 of the payload under a key of the export's own, which is erased with the payload. */
    digest,
    peer: orNull(address),
  },
  /** The owner had a payload that was kept sent again, as a new export. */
  redelivery: { ...EXPORT, redelivery_of: uuid, bytes: count, digest, ...BY },
  /** One try ended. */
  attempt: {
    ...EXPORT,
    number: count,
    started_at: isTime,
    /** Payload bytes that may have left: all once the request was opened, 0 before, null when nobody knows. */
    bytes: orNull(count),
    ...EXCHANGE,
  },
  /**
   * An export ended. Stands for itself, as a receipt does: `address` and `tls_fingerprint` are those of its last attempt,
   * `status` and `error` say how it ended.
   */
  outcome: {
    ...EXPORT,
    state: oneOf('delivered', 'undeliverable', 'blocked', 'cancelled'),
    bytes: count,
    /** As when it was taken in; null when that was before the store had a ledger. */
    digest: orNull(digest),
    accepted_at: isTime,
    attempts: count,
    ...EXCHANGE,
  },
  /** The owner took an export back: it has ended with that, or ends as soon as it is not being sent. */
  cancel: { ...EXPORT, result: oneOf('cancelled', 'requested'), ...BY },
  /** The owner made a rule or took it away. */
  rule: {
    change: oneOf('added', 'removed'),
    rule: uuid,
    type: oneOf('block', 'hold', 'budget'),
    app: orNull(name),
    destination: orNull(name),
    limit: orNull(count),
    unit: orNull(oneOf('bytes', 'exports')),
    per: orNull(oneOf('hour', 'day')),
    ...BY,
  },
  /** A key of ours came or went. `public_key` only of those that have one. */
  key: {
    purpose: oneOf('root', 'signing', 'ledger', 'master'),
    /**
     * Came: `made` by the service, `fetched` from the arbiter, `given` by a setting, `resumed` as what a setting had put
     * aside at an earlier start, `rotated` in the place of another. Went: `dropped` by the owner, `retired` when its time
     * was over, others took its place, or a start found other keys set.
     */
    change: oneOf('made', 'fetched', 'rotated', 'dropped', 'retired', 'given', 'resumed'),
    public_key: orNull(text(512)),
    ...BY,
  },
  /** New exports that a rule refused, or a setting that says where none may go: those alike within a minute. */
  refused: {
    minute: isTime,
    code,
    /** Null when a setting refused them, and when `others` is true. */
    rule: orNull(uuid),
    app: orNull(name),
    destination: orNull(name),
    /** Too many differ to be told apart: app and destination are null then. */
    others: isBoolean,
    count,
    bytes: count,
  },
  /** The texts of all entries before `before` were erased, as their time was over; but for the first one of the log. */
  erasure: {
    /** Which log's; null is this one's. A log that was left cannot say so itself. */
    log: orNull(name),
    before: count,
  },
} as const satisfies Record<string, Record<string, Check<unknown>>>;

type Kinds = typeof KINDS;
export type EntryKind = keyof Kinds;

type Fields<K extends EntryKind> = { readonly [F in keyof Kinds[K]]: Checked<Kinds[K][F]> };

/** What happened: an entry without its place, time and salt. */
export type LedgerEvent = { [K in EntryKind]: { readonly kind: K } & Fields<K> }[EntryKind];

export type EventOf<K extends EntryKind> = Extract<LedgerEvent, { kind: K }>;

/** What an entry has around its event. */
export interface EntryFrame {
  /** Its place in the log, from 0: whoever takes one out or moves one has to change others. */
  readonly n: number;
  /** When it was written, by the wall clock. */
  readonly time: string;
  /**
   * 12 random bytes in base64url. A proof shows the hash of the entry next to its own, and an erased entry leaves its
   * hash behind: without a salt, whoever guesses an entry could see from the hash whether the guess is right.
   */
  readonly salt: string;
}

export type LedgerEntry = EntryFrame & LedgerEvent;

const FRAME = { n: count, time: isTime, salt: matching(/^[A-Za-z0-9_-]{16}$/) } as const;

const CHECKS = new Map(
  Object.entries(KINDS).map(([kind, fields]) => [kind, Object.entries<Check<unknown>>(fields)]),
);

/** An event as it stands in an entry's text, between the time and the salt. Made by {@link eventText} only. */
export type EventText = string & { readonly [isEventText]: true };
declare const isEventText: unique symbol;

/**
 * Checks and writes an event, before it is known where in the log it will stand: what costs most can be done before a
 * transaction begins, and what cannot be written fails there.
 *
 * @throws MalformedLedgerError naming the field that holds what it must not
 */
export function eventText(event: LedgerEvent): EventText {
  return writtenEvent(event as unknown as Readonly<Record<string, unknown>>);
}

/**
 * The text of an entry, the very bytes (as UTF-8) that are hashed and kept: one line of JSON, its keys in the order of
 * the table, no blanks, whole numbers only.
 *
 * @throws MalformedLedgerError when the frame holds what it must not
 */
export function entryText(frame: EntryFrame, event: EventText): string {
  return writtenEntry(frame as unknown as Readonly<Record<string, unknown>>, event);
}

/**
 * Reads an entry. What {@link entryText} would not have written, byte for byte, is malformed.
 *
 * @throws MalformedLedgerError
 */
export function parseEntry(text: string): LedgerEntry {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new MalformedLedgerError('The entry is not JSON.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new MalformedLedgerError('The entry is not a JSON object.');
  const entry = value as Record<string, unknown>;
  if (writtenEntry(entry, writtenEvent(entry)) !== text)
    throw new MalformedLedgerError(
      'The entry has another field, order, blank or spelling than it would be written with.',
    );
  return entry as unknown as LedgerEntry;
}

/** Without fields that the table does not have; throws for one that is missing or holds what it must not. */
function writtenEvent(event: Readonly<Record<string, unknown>>): EventText {
  const fields = CHECKS.get(String(event.kind));
  if (fields === undefined) throw new MalformedLedgerError('The kind of the entry is not known.');
  const written: Record<string, unknown> = { kind: event.kind };
  for (const [field, check] of fields) written[field] = checked(event, field, check);
  return JSON.stringify(written).slice(1, -1) as EventText;
}

function writtenEntry(frame: Readonly<Record<string, unknown>>, event: EventText): string {
  const { n, time, salt } = FRAME;
  const text =
    `{"n":${checked(frame, 'n', n)},"time":"${checked(frame, 'time', time)}",${event},` +
    `"salt":"${checked(frame, 'salt', salt)}"}`;
  if (Buffer.byteLength(text) > ENTRY_BYTES_MAX)
    throw new MalformedLedgerError(`The entry is longer than ${ENTRY_BYTES_MAX} bytes.`);
  return text;
}

function checked<T>(entry: Readonly<Record<string, unknown>>, field: string, check: Check<T>): T {
  const value = Object.hasOwn(entry, field) ? entry[field] : undefined;
  if (!check(value))
    throw new MalformedLedgerError(`The field "${field}" of the entry is not what it must be.`);
  return value;
}
