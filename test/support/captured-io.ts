import type { CommandIo } from '../../src/command.ts';
import type { Env } from '../../src/config.ts';
import { main } from '../../src/main.ts';

/** What a command wrote. */
export interface Captured {
  stdout: string;
  stderr: string;
}

/** Reads `input` on stdin, as a pipe would give it, and keeps what is written. */
export function capturedIo(input = ''): CommandIo & { readonly captured: Captured } {
  const captured: Captured = { stdout: '', stderr: '' };
  const into = (name: keyof Captured) => ({
    write: (text: string) => {
      captured[name] += text;
    },
  });
  return { stdin: chunksOf(input), stdout: into('stdout'), stderr: into('stderr'), captured };
}

async function* chunksOf(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; start += 1_000) yield bytes.subarray(start, start + 1_000);
}

/** Runs `export-service ARGS`, inside this process. */
export async function runMain(
  args: readonly string[],
  env: Env = {},
  input = '',
): Promise<Captured & { code: number }> {
  const io = capturedIo(input);
  const code = await main(args, env, io);
  return { code, ...io.captured };
}
