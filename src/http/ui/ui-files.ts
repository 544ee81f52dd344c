import { readdirSync, readFileSync } from 'node:fs';
import { extname, join, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

/** A file of the owner's page, kept in memory. */
export interface UiFile {
  /** Below `/ui/`; empty for the page itself. */
  readonly path: string;
  readonly contentType: string;
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  /** Whether its name holds a hash of its content. */
  readonly isHashed: boolean;
}

/** Where the build puts the page: in a checkout, and likewise in the package, whose `dist` stands for the root. */
const BUILT = fileURLToPath(new URL('../../../ui/dist/', import.meta.url));
const PAGE = 'index.html';
/** Where Vite puts what it gives hashed names. */
const HASHED = 'assets/';

/** The build makes these and no others. */
const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  // The licences of what is in the page.
  '.txt': 'text/plain; charset=utf-8',
};

/**
 * Reads the page that was built.
 *
 * @returns none when there is none
 * @throws Error for a file of a kind that no page of ours has
 */
export function readUi(folder = BUILT): UiFile[] {
  const names = filesIn(folder);
  return names.includes(PAGE) ? names.map((name) => readFile(folder, name)) : [];
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map(({ parentPath, name }) => join(parentPath, name).slice(join(folder, sep).length));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

function readFile(folder: string, name: string): UiFile {
  const contentType = CONTENT_TYPES[extname(name)];
  if (contentType === undefined) throw new Error(`The owner's page has a file of an unknown kind: ${name}`);
  const bytes = readFileSync(join(folder, name));
  const path = name.split(sep).join('/');
  return {
    path: path === PAGE ? '' : path,
    contentType,
    bytes,
    gzipped: gzipSync(bytes, { level: 9 }),
    isHashed: path.startsWith(HASHED),
  };
}
