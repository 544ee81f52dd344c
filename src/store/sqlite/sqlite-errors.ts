/** Result codes of SQLite: https://www.sqlite.org/rescode.html. The extended ones keep the primary in their low byte. */
const FULL = 13;
const BUSY = 5;
const IOERR = 10;
const CORRUPT = 11;
const CONSTRAINT = 19;
const NOTADB = 26;
const IOERR_WRITE = IOERR | (3 << 8);

/** The (extended) result code of what SQLite threw; null for any other error. */
export function sqliteCode(error: unknown): number | null {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === 'number' ? code : null;
}

/** A full disk, or the ceiling of the store. Nothing of the transaction happened. */
export function isFull(code: number | null): boolean {
  return primary(code) === FULL;
}

/**
 * Full, or a write that the system refused: a quota and a limit on the size of files look like that. The end of the
 * transaction was not written, so it will not be there after a restart either.
 */
export function isOutOfRoom(code: number | null): boolean {
  return isFull(code) || code === IOERR_WRITE;
}

/** Another connection holds the lock. */
export function isBusy(code: number | null): boolean {
  return primary(code) === BUSY;
}

/** Reading, writing or flushing failed. */
export function isIoError(code: number | null): boolean {
  return primary(code) === IOERR;
}

/** A broken rule of the schema, or an error of our own code (null): seen before the commit, and taken back with it. */
export function isRolledBackForSure(code: number | null): boolean {
  return code === null || primary(code) === CONSTRAINT;
}

/** What is in the file is not, or no longer, a database. */
export function isDamage(code: number | null): boolean {
  return primary(code) === CORRUPT || primary(code) === NOTADB;
}

/** For whoever starts a service on a damaged store. */
export function damagedStoreError(path: string, detail: string): Error {
  return new Error(
    `The store ${path} is damaged (${detail}). Nothing was changed. "export-service store check" tells more; ` +
      'docs/operating.md tells how to bring a backup back.',
  );
}

function primary(code: number | null): number | null {
  return code === null ? null : code & 0xff;
}
