import { existsSync } from 'node:fs';
import type { Config } from './config.ts';
import { configuredRootKey } from './keys/configured-root-key.ts';
import { readStoredRing } from './keys/root-key-ring.ts';
import { findRootKey, readStoreKey } from './keys/store-keys.ts';
import { readSecrets } from './store/sqlite/sqlite-job-store.ts';

/**
 * The root keys that a service with this configuration checks tokens with, newest first: the one given, those that the
 * arbiter gave, or the one it made for itself. Reads the store beside a running service.
 *
 * @throws Error when there is none, with what to do
 */
export async function openLocalRootKeys(config: Config): Promise<readonly Uint8Array[]> {
  const given = configuredRootKey(config);
  if (given !== null) return [given];
  const keys = existsSync(config.store.path) ? await readRootKeys(config) : [];
  if (keys.length > 0) return keys;
  throw new Error(
    `There is no root key at ${config.store.path} yet: the service makes it at its first start, or gets it from the ` +
      'arbiter. Start it once, name its --data-dir, or give the key with --secret-file.',
  );
}

async function readRootKeys({ store, keyFile, arbiter }: Config): Promise<readonly Uint8Array[]> {
  using secrets = readSecrets(store.path);
  const own = arbiter === null ? await findRootKey(secrets, keyFile) : null;
  // Awaited, because the store is closed where this ends.
  return own === null ? await readStoredRing(secrets, () => readStoreKey(secrets, keyFile)) : [own];
}
