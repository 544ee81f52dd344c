import { lstat, readFile, stat } from 'node:fs/promises';
import { readServerCertificate, type ServerCertificate } from './server-certificate.ts';

/** A certificate of a long chain takes 10 KiB. */
export const CERTIFICATE_FILE_BYTES_MAX = 256 * 1_024;

/** Whether there is anything of this name. A link that leads nowhere is something: somebody meant it to be there. */
export async function isThere(file: string): Promise<boolean> {
  try {
    await lstat(file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw unreadable(error);
  }
}

/**
 * What a file holds.
 *
 * @throws Error that says why it cannot be read, to go after the file's name
 */
export async function readCertificateText(file: string): Promise<string> {
  try {
    // Looked at before it is opened: opening a pipe would wait for somebody who writes into it.
    const stats = await stat(file);
    if (!stats.isFile()) throw new Error('it is a folder or a device and not a file');
    if (stats.size > CERTIFICATE_FILE_BYTES_MAX) {
      throw new Error(`it has ${stats.size} bytes, and at most ${CERTIFICATE_FILE_BYTES_MAX} are read`);
    }
    return await readFile(file, 'latin1');
  } catch (error) {
    throw unreadable(error);
  }
}

/**
 * Certificate and key from a file.
 *
 * @throws Error that says what is wrong, to go after the file's name
 */
export async function readCertificateFile(file: string): Promise<ServerCertificate> {
  return readServerCertificate(await readCertificateText(file));
}

function unreadable(error: unknown): Error {
  const { code, message } = error as NodeJS.ErrnoException;
  switch (code) {
    case undefined:
      return new Error(message);
    case 'ENOENT':
      return new Error('it is not there', { cause: error });
    case 'EACCES':
      return new Error('this user may not read it', { cause: error });
    default:
      return new Error(`it cannot be read (${code})`, { cause: error });
  }
}
