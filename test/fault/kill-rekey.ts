/**
 * Preloaded into `store rekey` (`node --import`): kills the process, as `kill -9` does, just before it asks the system
 * for something for the nth time: to make, write, flush, rename or remove a file of the key, or to begin or end a
 * transaction.
 */
import fs, { writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync } from 'node:sqlite';
import { LAST_WORDS } from './steps.ts';

/** The environment variable that says at which call to die. */
export const NTH_VARIABLE = 'FAULT_KILL_REKEY_AT';

const WATCHED = ['openSync', 'writeSync', 'fsyncSync', 'linkSync', 'renameSync', 'rmSync'] as const;

function watch(nth: number): void {
  const say = writeSync;
  let calls = 0;
  const reach = (what: string): void => {
    calls += 1;
    if (calls !== nth) return;
    say(2, `\n${LAST_WORDS} before ${what}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
  for (const name of WATCHED) {
    const original = fs[name] as (...args: unknown[]) => unknown;
    const watched = (...args: unknown[]): unknown => {
      // Node opens its modules, and prints, by the same calls.
      const isOurs = name === 'openSync' ? /store\.key/.test(String(args[0])) : Number(args[0]) !== 2;
      if (isOurs) reach(`${name} ${String(args[0])}`);
      return original(...args);
    };
    Object.assign(fs, { [name]: watched });
  }
  syncBuiltinESMExports();
  const { exec } = DatabaseSync.prototype;
  DatabaseSync.prototype.exec = function (sql) {
    if (/BEGIN IMMEDIATE|COMMIT/.test(sql)) reach(sql);
    exec.call(this, sql);
  };
}

const nth = process.env[NTH_VARIABLE];
if (nth !== undefined) watch(Number(nth));
