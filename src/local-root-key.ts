import { existsSync } from 'node:fs';
import type { Config } from './config.ts';
import { configuredRootKey } from './keys/configured-root-key.ts';
import { findRootKey } from './keys/store-keys.ts';
import { readSecrets } from './store/sqlite/sqlite-job-store.ts';

/**
 * The root key that a service with this configuration checks tokens with: the one given, or the one it made for itself.
 * Reads the store beside a running service.
 *
 * @throws Error when there is none, with what to do
 */
export async function openLocalRootKey(config: Config): Promise<Uint8Array> {
  const given = configuredRootKey(config);
  if (given !== null) return given;
  const key = existsSync(config.store.path) ? await readRootKey(config) : null;
  if (key !== null) return key;
  throw new Error(
    `There is no root key at ${config.store.path} yet: the service makes it at its first start. ` +
      'Start it once, name its --data-dir, or give the key with --secret-file.',
  );
}

async function readRootKey(config: Config): Promise<Uint8Array | null> {
  using secrets = readSecrets(config.store.path);
  return await findRootKey(secrets, config.keyFile);
}
