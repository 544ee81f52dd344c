import { sign as signBytes } from 'node:crypto';
import { promisify } from 'node:util';
import type { Clock } from '../export/clock.ts';
import type { SecretStore } from '../export/job-store.ts';
import type { KeyChange } from '../export/ledger-store.ts';
import type { PublicSigningKey, SignedMessage, Signer } from '../export/signer.ts';
import type { MasterKey } from './master-key.ts';
import {
  decodeSet,
  encodeSet,
  endedAt,
  makeKeyPair,
  type SigningKeyPair,
  type SigningKeySet,
  validAt,
  withNewest,
  withRecordedEnds,
} from './signing-key-set.ts';

export interface SigningKeysParts {
  readonly secrets: SecretStore;
  readonly masterKey: MasterKey;
  readonly clock: Clock;
}

const NAME = 'signing keys';
/** How often the store is asked whether another instance has rotated. Receivers know the old keys for a day after. */
const UPKEEP_EVERY_MS = 10_000;
/** People rotate keys: two at the same moment are rare, ten are not the world's doing. */
const ROTATE_TRIES_MAX = 10;

/**
 * A message up to this many bytes is signed where it is. Handing it to a thread of the pool and taking the signature back
 * costs as much CPU time as the signature itself (35 µs), and half of that on the main thread.
 */
const SIGNED_HERE_BYTES_MAX = 16_384;

/** In a thread of the pool: the 4 ms of a megabyte would keep everybody else waiting. */
const signInPool = promisify(signBytes) as (
  algorithm: null,
  data: Uint8Array,
  key: SigningKeyPair['privateKey'],
) => Promise<Buffer>;

/**
 * The keys that receivers know this box by: made once, kept in the store under the master key, and so the same for every
 * instance of that store.
 */
export class SigningKeys implements Signer {
  readonly #parts: SigningKeysParts;
  #set: SigningKeySet = [];
  /** What is in the store, sealed. */
  #stored: Uint8Array = new Uint8Array();

  private constructor(parts: SigningKeysParts) {
    this.#parts = parts;
  }

  /**
   * Opens the keys; makes the first one for a store that has none.
   *
   * @throws Error when what is stored cannot be read
   */
  static async open(parts: SigningKeysParts): Promise<SigningKeys> {
    const keys = new SigningKeys(parts);
    const { secrets, masterKey, clock } = parts;
    const now = clock.now();
    const pair = makeKeyPair(now);
    const made = masterKey.seal(NAME, encodeSet([pair]));
    const record = { changes: [changeOf(pair, 'made')], now };
    keys.#take((await secrets.get(NAME)) ?? (await secrets.putIfAbsent(NAME, made, record)));
    return keys;
  }

  /** What is signed with now, newest first. */
  get publicKeys(): readonly PublicSigningKey[] {
    return this.#valid().map(publicPart);
  }

  /** `v1a,` and a base64 signature for each key, separated by blanks (Standard Webhooks 1.0). */
  async sign({ id, timestampSeconds, body }: SignedMessage): Promise<string> {
    const signed = Buffer.concat([Buffer.from(`${id}.${timestampSeconds}.`), body]);
    const signWith = ({ privateKey }: SigningKeyPair): Buffer | Promise<Buffer> =>
      signed.byteLength <= SIGNED_HERE_BYTES_MAX
        ? signBytes(null, signed, privateKey)
        : signInPool(null, signed, privateKey);
    const signatures = await Promise.all(this.#valid().map(signWith));
    return signatures.map((signature) => `v1a,${signature.toString('base64')}`).join(' ');
  }

  /**
   * Makes a new key. The present one goes on signing beside it for a day, so that receivers can learn the new one.
   *
   * @param by the identifier of the owner's token, for the ledger; null when it named nobody
   * @throws ExportError when the store cannot be read or written; then nothing has changed
   */
  async rotate(by: string | null = null): Promise<PublicSigningKey> {
    const now = this.#parts.clock.now();
    const added = makeKeyPair(now);
    for (let tries = 0; tries < ROTATE_TRIES_MAX; tries += 1) {
      await this.#load();
      const next = withNewest(this.#set, added, now);
      const gone = endedAt(this.#set, now, next);
      if (await this.#replace(next, [changeOf(added, 'rotated', by), ...gone.map(ended)])) {
        return publicPart(added);
      }
    }
    throw new Error('Other instances changed the signing keys in the store again and again.');
  }

  /**
   * A small step, for a chore: takes over what another instance made of the keys, and has it recorded when the time of one
   * is over. Resolves to when the next is due.
   */
  async upkeep(): Promise<number> {
    await this.#load();
    const over = endedAt(this.#set, this.#parts.clock.now());
    // Where another instance was faster, that one recorded it.
    if (over.length > 0) await this.#replace(withRecordedEnds(this.#set, over), over.map(ended));
    return UPKEEP_EVERY_MS;
  }

  /** @returns false when the store has something else by now */
  async #replace(set: SigningKeySet, changes: readonly KeyChange[]): Promise<boolean> {
    const { secrets, masterKey, clock } = this.#parts;
    const sealed = masterKey.seal(NAME, encodeSet(set));
    const isReplaced = await secrets.replace(NAME, this.#stored, sealed, { changes, now: clock.now() });
    if (isReplaced) this.#take(sealed);
    return isReplaced;
  }

  async #load(): Promise<void> {
    const stored = await this.#parts.secrets.get(NAME);
    if (stored === null) throw new Error('The signing keys are gone from the store.');
    if (Buffer.compare(stored, this.#stored) !== 0) this.#take(stored);
  }

  #take(stored: Uint8Array): void {
    this.#set = decodeSet(this.#parts.masterKey.open(NAME, stored));
    this.#stored = stored;
  }

  #valid(): SigningKeySet {
    return validAt(this.#set, this.#parts.clock.now());
  }
}

/** The public keys in a store, read beside a running service; empty when the service has made none yet. */
export async function readPublicSigningKeys(
  secrets: Pick<SecretStore, 'get'>,
  openMasterKey: () => MasterKey | Promise<MasterKey>,
  now: number,
): Promise<readonly PublicSigningKey[]> {
  const stored = await secrets.get(NAME);
  return stored === null
    ? []
    : validAt(decodeSet((await openMasterKey()).open(NAME, stored)), now).map(publicPart);
}

/** What the ledger is to say of a key. */
function changeOf(
  { publicKey }: SigningKeyPair,
  change: KeyChange['change'],
  by: string | null = null,
): KeyChange {
  return { purpose: 'signing', change, publicKey: Buffer.from(publicKey).toString('base64url'), by };
}

function ended(pair: SigningKeyPair): KeyChange {
  return changeOf(pair, 'retired');
}

function publicPart({ id, publicKey, madeAt, validUntil }: SigningKeyPair): PublicSigningKey {
  return { id, publicKey, madeAt, validUntil };
}
