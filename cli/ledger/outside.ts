import { readFileSync } from 'node:fs';
import { CheckpointFile } from '../../src/checkpoints/places.ts';
import { type Arguments, type Config, UsageError } from '../../src/config.ts';
import type { OutsideHead } from '../../src/ledger/continuation.ts';
import { parseProofFile } from '../../src/ledger/receipt.ts';
import type { Trusted } from './verification.ts';

/**
 * What a ledger is held against besides what it has itself: what the call names, and what the service kept in the files of
 * --checkpoint-to. Such a file may hold a head of a log that the store does not have any more.
 *
 * @throws UsageError for a --checkpoint that cannot be read
 */
export async function readTrusted(
  given: Arguments,
  { checkpointTo }: Pick<Config, 'checkpointTo'>,
): Promise<Trusted> {
  const files = checkpointTo.flatMap((target) => (target.kind === 'file' ? target.path : []));
  const checkpoints = [...given.all('checkpoint').map(readCheckpoint), ...(await readPlaces(files))];
  return { checkpoints, key: given.text('key') };
}

/** What is kept in these files; nothing of one that is not there, as its disk may be away. */
export async function readPlaces(paths: readonly string[]): Promise<OutsideHead[]> {
  const heads = await Promise.all(
    paths.map(async (path) => ({ where: path, note: await new CheckpointFile(path).read() })),
  );
  return heads.filter((head): head is OutsideHead => head.note !== null);
}

/** A checkpoint, or the one in a receipt. */
function readCheckpoint(path: string): OutsideHead {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UsageError(`--checkpoint: ${path} cannot be read (${(cause as NodeJS.ErrnoException).code})`, {
      cause,
    });
  }
  const note = text.startsWith('c2sp.org/tlog-proof@') ? parseProofFile(text).checkpoint : text;
  return { where: path, note };
}
