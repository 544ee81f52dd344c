import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Attempt } from '../export/job.ts';
import type { ClaimedJob, EndedJob } from '../export/job-store.ts';
import { ExportLog, REMEMBERED_MAX } from './export-log.ts';
import { createLog } from './log.ts';

const DESTINATION = 'https://user:pass@a.example:8443/s3cret-path?token=s3cret';
const ATTEMPT: Attempt = {
  number: 2,
  startedAt: 0,
  endedAt: 41,
  address: '192.0.2.1',
  tlsFingerprint: null,
  bytes: 2,
  status: 200,
  error: null,
};
const TIMING = { totalMs: 40.678, phases: { connect: 1.234, wait: 39.444 } };
const JOB: ClaimedJob = {
  id: 'the-export',
  lane: { client: 'app', destination: DESTINATION },
  lease: 1,
  data: Buffer.from('s3cret'),
  attemptsMax: 9,
  attempts: 1,
  attemptsSpent: 1,
  laneFailures: 0,
};
const ENDED: EndedJob = {
  id: JOB.id,
  lane: JOB.lane,
  state: 'delivered',
  dataBytes: 2,
  attempts: 2,
  acceptedAt: 1_000,
  finishedAt: 6_041,
  status: 200,
  failure: null,
};

function start(): { log: ExportLog; lines: () => Record<string, unknown>[] } {
  let text = '';
  const log = createLog('info', {
    write: (more) => {
      text += more;
    },
  });
  // A warning is written at once, and what waited before it too.
  const flush = (): string => {
    log.warn('end');
    return text;
  };
  return {
    log: new ExportLog(log),
    lines: () =>
      flush()
        .trim()
        .split('\n')
        .slice(0, -1)
        .map((line) => {
          const { time, ...fields } = JSON.parse(line);
          assert.ok(time);
          return fields;
        }),
  };
}

it('an export that ends has one line with all there is to say of it', () => {
  const { log, lines } = start();
  log.attempted(JOB, ATTEMPT, 'finished', TIMING);
  log.ended(ENDED);
  assert.deepEqual(lines(), [
    {
      level: 'info',
      export: 'the-export',
      destination: 'https://a.example:8443',
      outcome: 'delivered',
      status: 200,
      error: null,
      attempts: 2,
      bytes: 2,
      ms: 5_041,
      address: '192.0.2.1',
      attemptMs: 40.7,
      connectMs: 1.2,
      waitMs: 39.4,
      message: 'export finished',
    },
  ]);
});

it('what ends without an attempt, or long after its last one, says nothing of one', () => {
  const { log, lines } = start();
  log.ended({ ...ENDED, state: 'blocked', attempts: 0, status: null, failure: 'blocked_by_owner' });
  log.attempted(JOB, { ...ATTEMPT, number: 1 }, 'finished', TIMING);
  log.ended({ ...ENDED, state: 'undeliverable', status: null, failure: 'timeout' });
  const [blocked, undeliverable] = lines();
  assert.deepEqual(
    [blocked?.outcome, blocked?.error, blocked?.level],
    ['blocked', 'blocked_by_owner', 'info'],
  );
  assert.deepEqual([undeliverable?.outcome, undeliverable?.level], ['undeliverable', 'warn']);
  for (const line of [blocked, undeliverable]) assert.ok(!('address' in (line ?? {})));
});

it('an attempt that another one follows has a line, by the clock that there is', () => {
  const { log, lines } = start();
  const error = { code: 'timeout', detail: 's3cret' } as const;
  log.attempted(JOB, { ...ATTEMPT, status: null, error }, 'waiting', null);
  const [line] = lines();
  assert.deepEqual([line?.level, line?.attempt, line?.error, line?.attemptMs], ['warn', 2, 'timeout', 41]);
});

it('no line holds a payload, a path, a query or a password', () => {
  const { log, lines } = start();
  log.attempted(JOB, { ...ATTEMPT, error: { code: 'timeout', detail: 's3cret' } }, 'waiting', TIMING);
  log.attempted(JOB, ATTEMPT, 'finished', TIMING);
  log.ended(ENDED);
  assert.equal(lines().length, 2);
  assert.doesNotMatch(JSON.stringify(lines()), /s3cret|pass|user/);
});

it('attempts whose export never ends here are forgotten at a bound, the oldest first', () => {
  const { log, lines } = start();
  for (let index = 0; index <= REMEMBERED_MAX; index += 1)
    log.attempted({ ...JOB, id: `${index}` }, ATTEMPT, 'finished', TIMING);
  log.ended({ ...ENDED, id: '0' });
  log.ended({ ...ENDED, id: '1' });
  assert.deepEqual(
    lines().map((line) => 'address' in line),
    [false, true],
  );
});
