/** `export-service release`: what was held leaves. */
import type { CommandIo, ExitCode } from '../src/command.ts';
import type { Env } from '../src/config.ts';
import { runOwnerAction } from './owner/owner-command.ts';
import { RELEASE } from './owner/rule-actions.ts';

/** `export-service release`. */
export function run(args: readonly string[], env: Env, io: CommandIo): Promise<ExitCode> {
  return runOwnerAction(RELEASE, args, env, io);
}
