import type { Config } from './config.ts';
import { makeNextKey, putNextKeyInPlace } from './keys/next-key.ts';
import { completeKeyChange, resealSecrets } from './keys/store-keys.ts';
import { OfflineStore, type Rekeyed } from './store/sqlite/rekey.ts';

/**
 * Gives a store a new master key: makes one beside the present one, puts everything that is encrypted under it, and puts
 * it in the present one's place. The store's commit decides; a start, or another try, completes what was cut off after it.
 *
 * @throws Error in words for whoever runs the box; unless it says otherwise, nothing has changed
 */
export async function rekey({ store: { path }, keyFile }: Config): Promise<Rekeyed> {
  using store = new OfflineStore(path);
  const from = await completeKeyChange(store.secrets, keyFile);
  if (from === null)
    throw new Error(`The store ${path} has no key yet: the service makes one at its first start.`);
  const to = makeNextKey(keyFile);
  const rekeyed = store.rekey({
    from: from.storeKeys,
    to: to.storeKeys,
    reseal: (secrets) => resealSecrets(secrets, from, to),
  });
  putNextKeyInPlace(keyFile);
  return rekeyed;
}
