/**
 * Preloaded into the service (`node --import`, which its worker threads inherit): as soon as there is a FIFO at
 * {@link HANG_VARIABLE}, a commit hangs in a system call for ever, as it does on a disk that no longer answers.
 */
import { existsSync, openSync, writeSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { HANG_VARIABLE, HANG_WORDS } from './hanging-store.ts';

const fifo = process.env[HANG_VARIABLE];
const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
  if (fifo !== undefined && /^\s*COMMIT/.test(sql) && existsSync(fifo)) {
    writeSync(2, `${HANG_WORDS}\n`);
    // Opening one for reading waits for a writer.
    openSync(fifo, 'r');
  }
  return exec.call(this, sql);
};
