import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { UsageError } from './config.ts';

/**
 * Uses what a setting names. What goes wrong then is the setting's fault, and the start ends with one line that says
 * which.
 *
 * @throws UsageError
 */
export function usingSetting<T>(flag: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw new UsageError(`${flag}: ${(error as Error).message}`);
  }
}

/** The same for the address to listen on, where the system's words need ours. */
export function listenError(error: unknown, host: string, port: number): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case 'EADDRINUSE':
      return new Error(`--port: another program listens on ${host}:${port} already`);
    case 'EACCES':
      return new Error(`--port: this user may not listen on port ${port}`);
    case 'ENOTFOUND':
    case 'EADDRNOTAVAIL':
    case 'EAI_AGAIN':
      return new UsageError(`--host: ${host} is no address of this machine`);
    default:
      return new Error(`cannot listen on ${host}:${port}: ${message}`);
  }
}

/**
 * Makes a folder and the folders above it. Only our own user may look inside: it holds people's data.
 *
 * One level at a time: Node's own recursive form never returns where a folder says that it is there and takes nothing,
 * such as /proc.
 */
export function makeFolder(path: string): void {
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && dirname(path) !== path) {
      makeFolder(dirname(path));
      mkdirSync(path, { mode: 0o700 });
    } else if (code !== 'EEXIST' || !isFolder(path)) throw error;
  }
}

export function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
