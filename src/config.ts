/**
 * Settings: from a command line and an environment to a checked `Config`. One table (config/settings.ts) makes flags,
 * variables, validation, help and docs; nothing else in the service reads `process.env`.
 */
export { Arguments, asksForHelp, type Flag, type Flags, readArguments } from './config/arguments.ts';
export type { CheckpointTarget, StoreLocation } from './config/kinds.ts';
export { type Env, type LoadedConfig, loadConfig, parseConfig, settingFlags } from './config/parse.ts';
export type { Config, SettingKey } from './config/settings.ts';
export { quote, UsageError } from './config/usage-error.ts';
