import type { CommandIo } from '../../src/command.ts';
import type { Config, Env, SettingKey } from '../../src/config.ts';

/** What a token command is called with. */
export interface TokenCall {
  readonly args: readonly string[];
  readonly env: Env;
  readonly io: CommandIo;
  readonly parts: TokenParts;
}

/** What the token commands need from outside; tests pass their own. */
export interface TokenParts {
  /**
   * Newest first, and at least one.
   *
   * @throws Error that says why there is none and what to do
   */
  loadRootKeys(config: Config): Promise<readonly Uint8Array[]>;
  /** Milliseconds since 1970. */
  now(): number;
}

/** The settings that say which root key is meant, and what the service that has it is called. */
export const ROOT_KEY_SETTINGS: readonly SettingKey[] = [
  'name',
  'secret',
  'secretFile',
  'arbiter',
  'dataDir',
  'keyFile',
  'store',
];

export const systemParts: TokenParts = {
  loadRootKeys: async (config) => (await import('../../src/local-root-key.ts')).openLocalRootKeys(config),
  now: Date.now,
};

/** The key to mint with. */
export async function newestRootKey({ loadRootKeys }: TokenParts, config: Config): Promise<Uint8Array> {
  const [newest] = await loadRootKeys(config);
  if (newest === undefined) throw new TypeError('Where there is no root key, loading says so.');
  return newest;
}
