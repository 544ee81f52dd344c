/** The scripts, in the shells that they are for. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describe, it, test } from 'node:test';
import { promisify } from 'node:util';
import { runMain } from '../test/support/captured-io.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';

const run = promisify(execFile);

const SHELLS = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof SHELLS)[number];

/** What each shell is told to print what it would offer for the words typed so far. */
const ASK: Readonly<Record<Shell, (script: string, words: readonly string[]) => readonly string[]>> = {
  bash: (script, words) => [
    '--norc',
    '-c',
    `source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { echo FILES; }; _export_service; printf '%s\\n' "\${COMPREPLY[@]}"`,
    script,
    ...words,
  ],
  // Outside of its line editor zsh has no _describe: this one prints what it is given.
  zsh: (script, words) => [
    '-fc',
    `compdef() { :; }; source "$0"; words=("$@"); CURRENT=$#
     _files() { echo FILES; }; _describe() { print -l -- "\${(@P)2%%:*}"; }
     _export_service`,
    script,
    ...words,
  ],
  fish: (script, words) => ['--no-config', '-c', `source ${script}; complete -C '${words.join(' ')}'`],
};

async function offered(shell: Shell, words: readonly string[]): Promise<string[]> {
  using directory = new TemporaryDirectory();
  const script = `${directory.path}/completion`;
  const { stdout: text } = await runMain(['completion', shell]);
  writeFileSync(script, text);
  const { stdout } = await run(shell, ASK[shell](script, words), { cwd: directory.path });
  const last = words.at(-1) ?? '';
  // zsh and fish choose by what was typed themselves.
  const lines = stdout.split('\n').map((line) => line.split('\t')[0] ?? '');
  return lines.filter((line) => line === 'FILES' || (line !== '' && line.startsWith(last))).sort();
}

for (const shell of SHELLS) {
  const isHere = spawnSync(shell, ['--version']).error === undefined;

  describe(`completion in ${shell}`, { skip: !isHere && `no ${shell} here` }, () => {
    it('offers commands, and the commands of a command', async () => {
      const commands = await offered(shell, ['export-service', '']);
      for (const name of ['serve', 'send', 'store', 'completion']) assert.ok(commands.includes(name), name);
      assert.deepEqual(await offered(shell, ['export-service', 'se']), ['send', 'serve']);
      assert.deepEqual(
        (await offered(shell, ['export-service', 'store', ''])).filter((word) => !word.startsWith('-')),
        ['backup', 'check', 'migrate', 'rekey'],
      );
    });

    it("offers the owner's commands, and the kinds of rules", async () => {
      const words = async (...typed: string[]) =>
        (await offered(shell, ['export-service', ...typed, ''])).filter((word) => !word.startsWith('-'));
      assert.deepEqual(await words('exports'), ['cancel', 'list', 'redeliver', 'show']);
      assert.deepEqual(await words('rules'), ['add', 'list', 'remove']);
      assert.deepEqual(await words('rules', 'add'), ['block', 'budget', 'hold']);
      assert.deepEqual(await offered(shell, ['export-service', 'hold', '--de']), ['--destination']);
      assert.deepEqual(await offered(shell, ['export-service', 'release', '--al']), ['--all']);
      assert.deepEqual(await offered(shell, ['export-service', 'ow']), ['owner-link']);
    });

    it("offers a command's own flags and no others", async () => {
      assert.deepEqual(await offered(shell, ['export-service', 'send', '--no-']), [
        '--no-journal',
        '--no-wait',
      ]);
      assert.deepEqual(await offered(shell, ['export-service', 'token', 'mint', '--dest']), [
        '--destination',
      ]);
      assert.deepEqual(await offered(shell, ['export-service', 'token', 'inspect', '--dest']), []);
      assert.deepEqual(await offered(shell, ['export-service', 'serve', '--dest']), ['--destination-ca']);
    });

    it('offers nothing where only the user knows', async () => {
      assert.deepEqual(await offered(shell, ['export-service', 'send', '--to', '']), []);
    });
  });
}

test('what shell there is none for is wrong usage', async () => {
  for (const args of [['completion'], ['completion', 'tcsh'], ['completion', 'bash', 'zsh']]) {
    const { code, stdout } = await runMain(args);
    assert.deepEqual([code, stdout], [2, '']);
  }
});

test('every flag that a help shows is completed', async () => {
  const { stdout: script } = await runMain(['completion', 'bash']);
  for (const words of [['serve'], ['demo'], ['send'], ['store', 'backup'], ['token', 'mint']]) {
    const { stdout: help } = await runMain([...words, '--help']);
    // Flags stand in the left column, under headings that end in a colon.
    const flags = [...help.matchAll(/^ {2,6}(?:-\w, )?(--[\w-]+)/gm)].map(([, flag]) => flag);
    assert.ok(flags.length > 2);
    const line = script.split('\n').find((each) => each.includes(`'${words.join(' ')}') words=`));
    for (const flag of flags) assert.match(line ?? '', new RegExp(`[ ']${flag}[ ']`), `${words} ${flag}`);
  }
});
