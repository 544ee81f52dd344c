import { readFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { tokenFor } from '../../test/support/service.ts';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import type { Bench } from '../support/bench.ts';
import { type ContenderName, startContender } from '../support/contenders.ts';
import { DestinationProcess } from '../support/destination.ts';
import { DATA, Poster } from '../support/poster.ts';
import { BenchProcess } from '../support/processes.ts';
import { type Figures, sampleOf } from '../support/statistics.ts';

const EXPORTS = 20;
const TRACED = [
  'ours',
  'append log',
  'bullmq always',
  'bullmq everysec',
  'pg-boss',
  'graphile-worker',
] as const;
/** System calls that read a request, flush, and write an answer. */
const CALLS = 'trace=read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,fsync,fdatasync,sync_file_range';

/**
 * Posts exports one after the other while strace writes down what the contender and its database ask of the system; then
 * looks for a flush that began after an export was read and had succeeded before its 200 was written.
 */
async function trace(name: ContenderName): Promise<Figures> {
  using directory = new TemporaryDirectory();
  await using destination = await DestinationProcess.start(true);
  await using contender = await startContender(name, { delivers: false });
  const file = directory.file('trace');
  const pids = contender.processes.flatMap((process) => process.pids()).flatMap((pid) => ['-p', `${pid}`]);
  const args = ['-f', '-qq', '-ttt', '-T', '-s', '64', '-e', CALLS, '-o', file, ...pids];
  await using strace = BenchProcess.spawn('strace', 'strace', args);
  await setTimeout(1_000);
  const poster = new Poster(contender.url);
  const uri = `${destination.url}/0`;
  const headers = { 'content-type': 'application/json', 'x-api-key': tokenFor({ destination: uri }) };
  // The first goes off to the destination; those behind it are taken in and wait.
  for (let n = 0; n <= EXPORTS; n += 1) {
    await poster.post('/export', headers, JSON.stringify({ uri, data: DATA }));
    await setTimeout(20);
  }
  await poster.close();
  await strace.end('SIGINT');
  const durable = durableAnswers(readFileSync(file, 'utf8').split('\n'));
  return { answers: durable.length, 'flushed before': durable.filter(Boolean).length };
}

/** For each 200 after the first: whether a flush succeeded between its request and it. */
function durableAnswers(lines: readonly string[]): boolean[] {
  let hasFlushed = false;
  const answers: boolean[] = [];
  const underWay = new Set<string>();
  for (const line of lines) {
    const pid = /^\d+/.exec(line)?.[0] ?? '';
    if (line.includes('"POST /export')) {
      hasFlushed = false;
      // One that began before the export was there says nothing about it.
      underWay.clear();
    }
    const isFlush = /\b(?:fsync|fdatasync)\b/.test(line);
    if (isFlush && line.includes('<unfinished')) underWay.add(pid);
    else if (isFlush && / = 0 </.test(line) && (!line.includes('resumed') || underWay.delete(pid)))
      hasFlushed = true;
    if (/(?:write|writev|sendto|sendmsg)\(.*"HTTP\/1\.1 200/.test(line)) answers.push(hasFlushed);
  }
  return answers.slice(1);
}

export const durable: Bench = {
  name: 'durable',
  question: 'Is an export on disk before its 200? Seen by tracing system calls.',
  async run({ only }) {
    const rows = [];
    for (const name of TRACED) {
      if (only.length === 0 || name === 'ours' || only.includes(name))
        rows.push({ name, runs: [await trace(name)] });
    }
    const part = (runs: readonly Figures[]) =>
      runs.map((run) => (run['flushed before'] ?? 0) / (run.answers ?? 0));
    const findings = rows.map(({ name, runs }) => ({
      name: `flushed before the 200: ${name}`,
      sample: sampleOf(part(runs)),
    }));
    return [{ title: `system calls of ${EXPORTS} exports`, findings, rows }];
  },
};
