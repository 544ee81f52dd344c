/** `export-service owner-link`: a link that opens the owner's page signed in. */
import type { CommandIo, ExitCode } from '../src/command.ts';
import type { Env } from '../src/config.ts';
import { type OwnerAction, runOwnerAction } from './owner/owner-command.ts';
import { readUrl } from './service-access.ts';

const OWNER_LINK: OwnerAction = {
  words: 'owner-link',
  operand: null,
  summary: "Print a link that opens the owner's page",
  about: [
    "Prints a link that opens the owner's page signed in. It is good once and for 10 minutes; the page then stays signed in " +
      'for 12 hours. Whoever has the link before you is the owner to the page: do not pass it on.',
  ],
  flags: {},
  examples: ['owner-link', 'owner-link --json'],
  scope: { method: 'POST', path: '/owner/links' },
  run: async ({ given, client, env }) => {
    const link = await client.createLink();
    // In the fragment, which browsers send to nobody and servers cannot log.
    const url = `${readUrl(given, env)}/ui/#code=${link.code}`;
    return { json: { ...link, url }, text: `${url}\n` };
  },
};

/** `export-service owner-link`. */
export function run(args: readonly string[], env: Env, io: CommandIo): Promise<ExitCode> {
  return runOwnerAction(OWNER_LINK, args, env, io);
}
