import { audit } from './audit.ts';
import { readLedger } from './ledger.ts';
import { Ration } from './ration.ts';
import { flawsOf, NO_RECORD, readRecord } from './record.ts';
import { RecordingDestination } from './recording-destination.ts';
import type { Report } from './report.ts';
import type { InnerStep } from './steps.ts';
import { Submissions } from './submissions.ts';
import { type End, Victim } from './victim.ts';
import { LANES, type LanePlan, Workload } from './workload.ts';

export type FirstStartStep = Extract<InnerStep, 'first start' | 'key file'>;

/**
 * Kills the first start of a service on an empty directory when `step` is passed for the `nth` time. The next start, of
 * the service as it ships, must make a whole store of what is there, and take and deliver an export.
 *
 * @returns null when the step has no nth time: the start went through
 */
export async function runFirstStart(seed: string, step: FirstStartStep, nth: number): Promise<Report | null> {
  await using victim = new Victim([]);
  await using destination = await RecordingDestination.start(seed, new Map());
  const first = victim.start({ step, nth, fraction: 0 });
  if (await first.ready) return null;
  const death = await first.ended;
  const submissions = new Submissions(seed);
  const wrongs = [...notKilled(death), ...(await startAgain(victim, destination, submissions))];
  const hasStore = wrongs.length === 0;
  const ledger = hasStore
    ? readLedger(victim.storePath)
    : { jobs: new Map(), rules: new Set<string>(), wrongs: [] };
  if (hasStore) wrongs.push(...(await flawsOf(victim.dataDir, victim.storePath)));
  const record = hasStore ? readRecord(victim.storePath) : NO_RECORD;
  const evidence = { arrivals: destination.arrivals, ledger, record, acts: [], hasDeleted: false };
  const found = audit({ submissions: [...submissions.all.values()], ...evidence });
  const { repeats, deliberateRepeats, polls } = submissions;
  return {
    kills: new Map([[step, 1]]),
    counts: { ...found.figures, repeats, deliberateRepeats, polls },
    wrongs: [...wrongs, ...found.wrongs].map((wrong) => `${step} #${nth}: ${wrong}`),
  };
}

function notKilled({ step, code, output }: End): string[] {
  return step === null ? [`it ended by itself with ${code}:\n${output}`] : [];
}

/** @returns what is wrong with the life after the death, an export and a clean stop included */
async function startAgain(
  victim: Victim,
  destination: RecordingDestination,
  submissions: Submissions,
): Promise<string[]> {
  const life = victim.start(null);
  if (!(await life.ready)) {
    const { code, output } = await life.ended;
    return [`the next start failed with ${code}:\n${output}`];
  }
  const workload = new Workload({
    seed: '',
    url: victim.url,
    destination,
    submissions,
    ration: new Ration(),
  });
  await workload.exportOne(LANES[0] as LanePlan);
  life.stop();
  const { code, output } = await life.ended;
  return code === 0 ? [] : [`the stop after it ended with ${code}:\n${output}`];
}
