/** Writes docs/commands.md from what the commands say with `--help`. */
import { writeFile } from 'node:fs/promises';
import { commandsPage } from '../cli/reference/commands-page.ts';
import { main } from '../src/main.ts';

/** Help neither reads nor logs anything. */
async function helpOf(words: readonly string[]): Promise<string> {
  let text = '';
  const stdout = {
    write(more: string) {
      text += more;
    },
  };
  await main([...words, '--help'], {}, { stdin: process.stdin, stdout, stderr: process.stderr });
  return text;
}

await writeFile(new URL('../docs/commands.md', import.meta.url), await commandsPage(helpOf));
