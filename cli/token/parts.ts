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
  /** @throws Error that says why there is none and what to do */
  loadRootKey(config: Config): Promise<Uint8Array>;
  /** Milliseconds since 1970. */
  now(): number;
}

/** The settings that say which root key is meant, and what the service that has it is called. */
export const ROOT_KEY_SETTINGS: readonly SettingKey[] = [
  'name',
  'secret',
  'secretFile',
  'dataDir',
  'keyFile',
  'store',
];

export const systemParts: TokenParts = {
  loadRootKey: async (config) => (await import('../../src/local-root-key.ts')).openLocalRootKey(config),
  now: Date.now,
};
