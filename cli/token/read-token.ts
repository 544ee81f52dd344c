import type { CommandIo } from '../../src/command.ts';
import { UsageError } from '../../src/config.ts';
import { decodeBase64 } from '../../src/macaroon/base64.ts';
import { TOKEN_BYTES_MAX } from '../../src/macaroon/bounds.ts';
import { decode, type MacaroonFormat } from '../../src/macaroon/codec.ts';
import type { Macaroon } from '../../src/macaroon/macaroon.ts';
import { V2_MARK } from '../../src/macaroon/v2.ts';

/** A token and how it was written. */
export interface ReadToken {
  readonly macaroon: Macaroon;
  readonly format: MacaroonFormat;
}

/**
 * The token of a command line: the word itself, or what stdin holds when it is `-` or left out.
 *
 * @throws UsageError when there is none
 * @throws MalformedMacaroonError when it is none
 */
export async function readToken(word: string | undefined, io: CommandIo): Promise<ReadToken> {
  const text = await tokenText(word, io);
  return { macaroon: decode(text), format: formatOf(text) };
}

async function tokenText(word: string | undefined, io: CommandIo): Promise<string> {
  if (word !== undefined && word !== '-') return word.trim();
  if (word === undefined && io.stdin.isTTY) throw new UsageError('TOKEN is missing; - reads it from stdin');
  const text = (await readAll(io.stdin)).trim();
  if (text === '') throw new UsageError('TOKEN is missing: stdin is empty');
  return text;
}

/** Stops reading where no token can be any more, with room for blanks around it. */
async function readAll(stdin: CommandIo['stdin']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of stdin) {
    chunks.push(Buffer.from(chunk));
    bytes += chunk.length;
    if (bytes > 2 * TOKEN_BYTES_MAX) break;
  }
  return Buffer.concat(chunks).toString('utf8');
}

function formatOf(text: string): MacaroonFormat {
  if (text.startsWith('{')) return 'v2j';
  return decodeBase64(text)[0] === V2_MARK ? 'v2' : 'v1';
}
