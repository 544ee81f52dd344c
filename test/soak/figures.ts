import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

/** What a process uses, as the system sees it: nothing that the process itself would have to tell. */
export interface ProcessFigures {
  /** Memory in RAM. */
  readonly rssBytes: number;
  /** The most that it ever was. */
  readonly peakRssBytes: number;
  /** The part of it that is no file: heaps, buffers, stacks. */
  readonly anonBytes: number;
  /** Open file descriptors, and how many of them are sockets. */
  readonly handles: number;
  readonly sockets: number;
  readonly threads: number;
  /** CPU time since its start, all threads. */
  readonly cpuMs: number;
}

export interface StoreFigures {
  readonly fileBytes: number;
  readonly walBytes: number;
  /** Of the ledger: it grows with what happens, and its hashes are never deleted. */
  readonly ledgerEntries: number;
}

/** Linux counts CPU time in hundredths, on every architecture that Node runs on. */
const MS_PER_TICK = 10;

export function processFigures(pid: number): ProcessFigures {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]);
  const targets = handleTargets(pid);
  return {
    rssBytes: field('VmRSS') * 1_024,
    peakRssBytes: field('VmHWM') * 1_024,
    anonBytes: field('RssAnon') * 1_024,
    handles: targets.length,
    sockets: targets.filter((target) => target.startsWith('socket:')).length,
    threads: field('Threads'),
    cpuMs: cpuMs(pid),
  };
}

export function storeFigures(file: string): StoreFigures {
  using database = new DatabaseSync(file, { readOnly: true });
  const row = database.prepare('SELECT max(entry) AS newest FROM ledger_entries').get();
  // Of one log: the lower 40 bits are the place in it.
  const ledgerEntries = Number(BigInt(Number(row?.newest ?? -1)) & 0xff_ffff_ffffn) + 1;
  return { fileBytes: sizeOf(file), walBytes: sizeOf(`${file}-wal`), ledgerEntries };
}

/** What the ledger's tables take of the store's file. Reads all of them. */
export function ledgerBytes(file: string): number {
  using database = new DatabaseSync(file, { readOnly: true });
  const row = database.prepare("SELECT sum(pgsize) AS bytes FROM dbstat WHERE name LIKE 'ledger%'").get();
  return Number(row?.bytes ?? 0);
}

/**
 * The process that works on `dataDir`: its command line names it. A test may start several services, each on a folder
 * of its own.
 */
export function pidOfService(dataDir: string): number {
  for (const name of readdirSync('/proc')) {
    if (/^\d+$/.test(name) && commandLine(name).includes(dataDir)) return Number(name);
  }
  throw new Error(`No process runs on ${dataDir}.`);
}

function commandLine(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return []; // It has ended since it was listed.
  }
}

function handleTargets(pid: number): string[] {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).flatMap((name) => {
    try {
      return [readlinkSync(`${folder}/${name}`)];
    } catch {
      return []; // It was closed since it was listed.
    }
  });
}

/** Fields 14 and 15 of `stat`, counted from behind the name, which may have spaces. */
function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * MS_PER_TICK;
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
