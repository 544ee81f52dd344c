import { constants } from 'node:fs';
import { type FileHandle, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Somewhere outside the store where signed checkpoints are kept. */
export interface CheckpointPlace {
  /** What it is called in messages. */
  readonly where: string;
  /** Whether `read` tells what is there. */
  readonly canBeRead: boolean;
  /** The checkpoint that is there; null when there is none, or when the place cannot be read. */
  read(): Promise<string | null>;
  /** Puts a checkpoint there; what was there before is no more. Rejects when it cannot. */
  write(note: string): Promise<void>;
}

/** Longest file that is taken for a checkpoint. */
const NOTE_BYTES_MAX = 1024 * 1024;

/** Where the newest checkpoint is kept beside the store. */
export function headFileIn(dataDir: string): string {
  return join(dataDir, 'ledger.head');
}

/** A file. It holds one checkpoint or the next at every moment, whenever the power goes. */
export class CheckpointFile implements CheckpointPlace {
  readonly where: string;
  readonly canBeRead = true;

  constructor(path: string) {
    this.where = path;
  }

  /** @throws Error when something is there that cannot be read */
  async read(): Promise<string | null> {
    try {
      const bytes = await readFile(this.where);
      return bytes.subarray(0, NOTE_BYTES_MAX).toString();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw new Error(`${this.where} cannot be read: ${(error as Error).message}`, { cause: error });
    }
  }

  async write(note: string): Promise<void> {
    const draft = `${this.where}.new`;
    try {
      await flushed(await open(draft, 'w', 0o644), (file) => file.writeFile(note));
      await rename(draft, this.where);
    } catch (error) {
      await rm(draft, { force: true });
      throw error;
    }
    // A new name is safe from a power cut only when its folder is on the disk too.
    await flushed(await open(dirname(this.where), constants.O_RDONLY), async () => {});
  }
}

async function flushed(file: FileHandle, write: (file: FileHandle) => Promise<void>): Promise<void> {
  try {
    await write(file);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** How long whoever is posted to may take to answer. */
const ANSWER_MS_MAX = 10_000;

/**
 * Somebody who takes checkpoints by HTTP POST (`text/plain`), and answers 2xx when they are safe. Whoever it is must keep all
 * of them, or compare: nothing tells this service what is there, so it cannot see that it contradicts it.
 */
export class CheckpointUrl implements CheckpointPlace {
  readonly where: string;
  readonly canBeRead = false;
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
    // What may be a secret stays out of messages.
    this.where = `${url.origin}${url.pathname}`;
  }

  async read(): Promise<null> {
    return null;
  }

  async write(note: string): Promise<void> {
    const { username, password } = this.#url;
    const plain = new URL(this.#url);
    plain.username = '';
    plain.password = '';
    const response = await fetch(plain, {
      method: 'POST',
      headers: {
        'content-type': 'text/plain; charset=utf-8',
        ...(username !== '' && { authorization: basic(username, password) }),
      },
      body: note,
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    }).catch((cause: Error) => {
      const reason = cause.cause instanceof Error ? cause.cause.message : cause.message;
      throw new Error(`${this.where} cannot be reached: ${reason}`, { cause });
    });
    await response.body?.cancel();
    if (!response.ok) throw new Error(`${this.where} answered ${response.status}.`);
  }
}

function basic(username: string, password: string): string {
  const credentials = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}
