import { createHash } from 'node:crypto';
import type { Clock } from '../export/clock.ts';
import type { SecretStore } from '../export/job-store.ts';
import type { KeyChange } from '../export/ledger-store.ts';
import type { MasterKey } from './master-key.ts';

/** Where the root keys come from that tokens are checked with. */
export type RootKeyOrigin =
  | { readonly from: 'setting'; readonly key: Uint8Array }
  /** `hasKeys`: whether an earlier start has left some in the store. */
  | { readonly from: 'service' | 'arbiter'; readonly hasKeys: boolean };

export interface RootKeyNoteParts {
  readonly secrets: SecretStore;
  readonly masterKey: MasterKey;
  readonly clock: Pick<Clock, 'now'>;
}

const NAME = 'root key note';
/** Instances of one store start one after the other: two at the same moment are rare, ten are not the world's doing. */
const NOTE_TRIES_MAX = 10;

/**
 * Notes in the store what a start checks tokens with, sealed, and of a given key only its hash. Where that is not what the
 * start before noted, the change is recorded: nothing else would show that the tokens of before have ended, and that others
 * are good.
 *
 * @throws ExportError when the store cannot be read or written
 */
export async function noteRootKeys(
  { secrets, masterKey, clock }: RootKeyNoteParts,
  origin: RootKeyOrigin,
): Promise<void> {
  const note = noteOf(origin);
  for (let tries = 0; tries < NOTE_TRIES_MAX; tries += 1) {
    const stored = await secrets.get(NAME);
    const before = stored === null ? null : Buffer.from(masterKey.open(NAME, stored)).toString();
    if (before === note) return;
    const record = { changes: changesOf(origin, before !== null), now: clock.now() };
    if (await secrets.replace(NAME, stored, masterKey.seal(NAME, Buffer.from(note)), record)) return;
  }
  throw new Error('Other instances changed the note of the root keys in the store again and again.');
}

function noteOf(origin: RootKeyOrigin): string {
  if (origin.from !== 'setting') return origin.from;
  return `setting ${createHash('sha256').update(origin.key).digest('base64url')}`;
}

/** The making, or the fetching, of a new key is recorded by whoever does that. */
function changesOf(origin: RootKeyOrigin, isChange: boolean): KeyChange[] {
  const came = origin.from === 'setting' ? 'given' : isChange && origin.hasKeys ? 'resumed' : null;
  const changes = [isChange ? 'retired' : null, came] as const;
  return changes.flatMap((change) =>
    change === null ? [] : [{ purpose: 'root', change, publicKey: null, by: null }],
  );
}
