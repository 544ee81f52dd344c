/** `store rekey`, killed before everything that it asks the system for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { entriesIn } from '../support/ledger/entries.ts';
import { makeStoreUnderKey, readStoreUnderKey } from '../support/rekey-bench.ts';
import { NTH_VARIABLE } from './kill-rekey.ts';
import { LAST_WORDS } from './steps.ts';
import { Victim } from './victim.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/export-service.js', import.meta.url));
const PRELOAD = new URL('./kill-rekey.ts', import.meta.url).href;
/** More than a rekey asks for. */
const CALLS_MAX = 200;

/** Runs `store rekey`, to be killed at its `nth` call; resolves to before what that was, null when it went through. */
async function rekeyKilledAt(nth: number, dataDir: string): Promise<string | null> {
  const args = ['--import', PRELOAD, LAUNCHER, 'store', 'rekey', '--data-dir', dataDir];
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, [NTH_VARIABLE]: String(nth) },
  });
  let output = '';
  child.stderr.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  if (code === 0) return null;
  assert.equal(signal, 'SIGKILL', output);
  return output
    .slice(output.indexOf(LAST_WORDS) + LAST_WORDS.length)
    .replace('before', '')
    .trim();
}

it('killed at any point it leaves a store that opens with the key file that is there, under its old key or its new one', async () => {
  await using bench = await makeStoreUnderKey();
  const oldKey = readFileSync(join(bench.dataDir, 'store.key'));
  const killedBefore: string[] = [];
  let underNewKey = 0;
  for (let nth = 1; nth <= CALLS_MAX; nth += 1) {
    await using victim = new Victim([]);
    const { dataDir } = victim;
    cpSync(bench.dataDir, dataDir, { recursive: true });
    const killed = await rekeyKilledAt(nth, dataDir);
    if (killed?.startsWith('renameSync')) await startAndStop(victim);
    else assert.deepEqual(await readStoreUnderKey(dataDir), bench.content, `killed before ${killed}`);
    const isUnderNewKey = !readFileSync(join(dataDir, 'store.key')).equals(oldKey);
    if (isUnderNewKey) underNewKey += 1;
    assert.equal(rekeysOnRecord(dataDir), isUnderNewKey ? 1 : 0, `killed before ${killed}`);
    if (killed === null) break;
    killedBefore.push(killed);
    // Where the first try left a key, the next one still goes through.
    if (killed !== 'COMMIT') continue;
    assert.ok(existsSync(join(dataDir, 'store.key.next')));
    assert.equal(await rekeyKilledAt(CALLS_MAX, dataDir), null);
    assert.deepEqual(await readStoreUnderKey(dataDir), bench.content);
    assert.equal(rekeysOnRecord(dataDir), 1);
  }
  for (const call of ['openSync', 'writeSync', 'linkSync', 'COMMIT', 'renameSync'])
    assert.ok(
      killedBefore.some((each) => each.startsWith(call)),
      `${call} of ${killedBefore.join(', ')}`,
    );
  assert.ok(
    underNewKey >= 2 && underNewKey < killedBefore.length,
    `${underNewKey} of ${killedBefore.join(', ')}`,
  );
});

/** How often the ledger says that the store got a new master key. */
function rekeysOnRecord(dataDir: string): number {
  const entries = entriesIn(join(dataDir, 'exports.db'));
  return entries.filter((entry) => entry.kind === 'key' && entry.change === 'rotated').length;
}

/** The service itself starts on what is there, and stops again. */
async function startAndStop(victim: Victim): Promise<void> {
  const life = victim.start(null);
  if (!(await life.ready)) assert.fail((await life.ended).output);
  life.stop();
  assert.equal((await life.ended).code, 0);
  assert.equal((await readStoreUnderKey(victim.dataDir)).payloads[0], null, 'this one keeps no payloads');
}
