/** `export-service hold`: nothing leaves for now. */
import type { CommandIo, ExitCode } from '../src/command.ts';
import type { Env } from '../src/config.ts';
import { runOwnerAction } from './owner/owner-command.ts';
import { HOLD } from './owner/rule-actions.ts';

/** `export-service hold`. */
export function run(args: readonly string[], env: Env, io: CommandIo): Promise<ExitCode> {
  return runOwnerAction(HOLD, args, env, io);
}
