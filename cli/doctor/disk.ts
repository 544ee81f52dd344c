import { accessSync, constants, existsSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { formatBytes } from '../terminal.ts';
import type { Finding, Patient } from './finding.ts';

/** Below the first, a few large exports fill the disk; below the second, a start may fail. */
const FREE_BYTES_LOW = 1_024 ** 3;
const FREE_BYTES_MIN = 64 * 1_024 ** 2;

/** Whether there is a folder for the data, and room on its disk. */
export async function checkDisk({ config, parts }: Patient): Promise<Finding[]> {
  const { dataDir } = config;
  if (!existsSync(dataDir)) return [await missing(dataDir, parts.freeBytes)];
  if (!statSync(dataDir).isDirectory()) {
    return [bad(`${dataDir} is no folder.`, 'Name a folder with --data-dir.')];
  }
  if (!isWritable(dataDir)) {
    return [
      bad(
        `This user may not write in ${dataDir}.`,
        `Run this as the user of the service; if the service itself cannot write there, give it the folder: chown -R USER ${dataDir}`,
      ),
    ];
  }
  return [room(dataDir, await parts.freeBytes(dataDir), config.storeBytesMax)];
}

async function missing(dataDir: string, freeBytes: (folder: string) => Promise<number>): Promise<Finding> {
  const above = nearestFolder(dataDir);
  const free = formatBytes(await freeBytes(above));
  return {
    check: 'disk',
    verdict: 'warning',
    text: `There is no data directory ${dataDir} yet (${free} free on its disk).`,
    remedy: 'A first start of the service makes it; if it runs already, name its folder with --data-dir.',
  };
}

function nearestFolder(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearestFolder(dirname(path));
}

function isWritable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function room(dataDir: string, free: number, storeBytesMax: number): Finding {
  const text = `${formatBytes(free)} are free on the disk of ${dataDir}.`;
  if (free < FREE_BYTES_MIN) {
    return bad(
      `Only ${text}`,
      'Make room on that disk, or move the data to a larger one: new exports are refused when it is full.',
    );
  }
  if (free < FREE_BYTES_LOW) {
    const remedy = `Make room on that disk, or set --store-bytes-max (now ${formatBytes(storeBytesMax)}) to less than it has.`;
    return { check: 'disk', verdict: 'warning', text: `Only ${text}`, remedy };
  }
  return { check: 'disk', verdict: 'good', text };
}

function bad(text: string, remedy: string): Finding {
  return { check: 'disk', verdict: 'bad', text, remedy };
}
