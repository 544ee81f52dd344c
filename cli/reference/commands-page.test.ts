import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { runMain } from '../../test/support/captured-io.ts';
import { commandsPage } from './commands-page.ts';

const helpOf = async (words: readonly string[]) => (await runMain([...words, '--help'])).stdout;

it('docs/commands.md is what the commands say; npm run docs writes it anew', async () => {
  const page = await commandsPage(helpOf);
  assert.equal(readFileSync(new URL('../../docs/commands.md', import.meta.url), 'utf8'), page);
});

it('has every command, and those below it', async () => {
  const page = await commandsPage(helpOf);
  const titles = [...page.matchAll(/^#{2,3} export-service ?(.*)$/gm)].map(([, words]) => words);
  for (const words of ['', 'serve', 'token mint', 'store backup', 'key rotate', 'root-key', 'send']) {
    assert.ok(titles.includes(words), words);
  }
  assert.equal(new Set(titles).size, titles.length);
});
