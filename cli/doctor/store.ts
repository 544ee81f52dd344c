import { existsSync, statSync } from 'node:fs';
import { checkStore, newestAcceptedAt, type StoreReport } from '../../src/store/sqlite/check.ts';
import { formatBytes, formatCount, formatExports } from '../terminal.ts';
import { type Finding, inWords, type Patient } from './finding.ts';

/** A larger store takes a while to read as a whole: that is what `store check` is for. */
const CHECKED_BYTES_MAX = 1_024 ** 3;
/** Exports are accepted by the clock of this machine; more than this ahead of it, the clock has gone back. */
const CLOCK_BACK_MS = 60_000;

/** Whether the store is whole, and has room left. */
export async function checkStoreFile({ config, parts }: Patient): Promise<Finding[]> {
  const { path } = config.store;
  if (!existsSync(path)) {
    return [
      {
        check: 'store',
        verdict: 'warning',
        text: `There is no store at ${path} yet.`,
        remedy: 'A first start of the service makes it; if it runs already, name its --data-dir or --store.',
      },
    ];
  }
  try {
    const { size } = statSync(path);
    const finding = size > CHECKED_BYTES_MAX ? large(path, size) : soundness(path, checkStore(path));
    return [finding, ...fullness(path, size, config.storeBytesMax), ...clock(path, parts.now())];
  } catch (error) {
    return [
      {
        check: 'store',
        verdict: 'bad',
        text: inWords(error),
        remedy: `See what ${path} is; docs/operating.md tells about backups.`,
      },
    ];
  }
}

function large(path: string, bytes: number): Finding {
  return {
    check: 'store',
    verdict: 'skipped',
    text: `The store ${path} has ${formatBytes(bytes)}, too much to read as a whole here; export-service store check does.`,
  };
}

function soundness(path: string, { problems, exports }: StoreReport): Finding {
  const [first] = problems;
  if (first !== undefined) {
    const more = problems.length > 1 ? ` And ${problems.length - 1} more.` : '';
    const remedy =
      first.rule === 'old_schema'
        ? 'Start the service, or run export-service store migrate.'
        : 'export-service store check lists everything; docs/operating.md tells how to restore a backup.';
    const verdict = first.rule === 'old_schema' ? 'warning' : 'bad';
    return { check: 'store', verdict, text: `The store ${path}: ${first.detail}${more}`, remedy };
  }
  const { queued = 0, sending = 0, waiting = 0, ...ended } = exports ?? {};
  const total = Object.values(ended).reduce((sum, count) => sum + count, 0);
  const open = queued + sending + waiting;
  const patient = waiting === 0 ? '' : ` (${formatCount(waiting)} of them wait for another attempt)`;
  return {
    check: 'store',
    verdict: 'good',
    text: `The store ${path} is whole: ${formatExports(open)} on the way${patient}, ${formatCount(total)} ended.`,
  };
}

function fullness(path: string, bytes: number, bytesMax: number): Finding[] {
  if (bytes < bytesMax * 0.9) return [];
  return [
    {
      check: 'store',
      verdict: bytes < bytesMax ? 'warning' : 'bad',
      text: `The store ${path} has ${formatBytes(bytes)} of the ${formatBytes(bytesMax)} that it may have.`,
      remedy:
        'Raise --store-bytes-max if the disk has room, or keep results for less long with --keep-results.',
    },
  ];
}

function clock(path: string, now: number): Finding[] {
  const newest = newestAcceptedAt(path);
  if (newest === null || newest - now < CLOCK_BACK_MS) return [];
  return [
    {
      check: 'clock',
      verdict: 'bad',
      text: `The store has an export of ${new Date(newest).toISOString()}, and the clock of this machine says ${new Date(now).toISOString()}: it has gone back.`,
      remedy:
        'Set the clock, and let the machine keep it (timedatectl set-ntp true): tokens expire by it, and certificates.',
    },
  ];
}
