import assert from 'node:assert/strict';
import { checkStore } from '../../src/store/sqlite/check.ts';
import { SCHEMA_VERSION } from '../../src/store/sqlite/schema.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, tokenFor } from '../support/service.ts';
import { makeFilledStore } from '../support/stores/old-store.ts';
import { audit } from './audit.ts';
import { NO_RECORD } from './record.ts';
import type { Report } from './report.ts';
import { Victim } from './victim.ts';

/** Versions whose migration rewrites the whole file first. */
export const OLD_VERSIONS = [1, 2] as const;

/** Long ago the finished exports of those stores finished. */
const FLAGS = ['--keep-results', '36500d'];
/** In the old store: two had ended, four are to be sent, two of them to another destination. */
const ENDED = [1, 2];
const UNSENT = [3, 4, 5, 6];
const OF_OTHER = [4, 6];

const id = (n: number): string => `019a0000-0000-7000-8000-00000000000${n}`;

/**
 * Kills a start on a store of an older schema version when its migration is at its `nth` point. The next start, of the
 * service as it ships, must find every export: those that had ended with their results, and the others it must deliver.
 *
 * @returns null when there is no nth point: the migration went through
 */
export async function runMigration(version: number, nth: number): Promise<Report | null> {
  await using victim = new Victim(FLAGS);
  await using destination = await nasty.answers('200 OK', 'thanks');
  makeFilledStore(victim.dataDir, destination.url, version);
  const first = victim.start({ step: 'migration', nth, fraction: 0 });
  if (await first.ready) return null;
  const { step, output } = await first.ended;
  const wrongs: string[] = [];
  try {
    assert.equal(step, 'migration', output);
    await assertAllThere(victim, destination.url);
    const arrived = new Set(destination.received.map(({ headers }) => headers['webhook-id']));
    assert.deepEqual([...arrived].toSorted(), UNSENT.map(id));
  } catch (error) {
    wrongs.push(`version ${version}, migration #${nth}: ${(error as Error).message}`);
  }
  const nothing = {
    submissions: [],
    arrivals: [],
    ledger: { jobs: new Map(), rules: new Set<string>(), wrongs: [] },
    record: NO_RECORD,
    acts: [],
    hasDeleted: false,
  };
  const counts = { ...audit(nothing).figures, repeats: 0, deliberateRepeats: 0, polls: 0 };
  return { kills: new Map([['migration', 1]]), counts, wrongs };
}

async function assertAllThere(victim: Victim, url: string): Promise<void> {
  const life = victim.start(null);
  if (!(await life.ready)) assert.fail(`the next start failed:\n${(await life.ended).output}`);
  const app = clientFor(victim.url, url, { token: tokenFor({ destination: url, client: 'app' }) });
  const other = clientFor(victim.url, `${url}?two`);
  for (const n of ENDED) assert.equal((await app.get(id(n))).state, 'Finished');
  for (const n of UNSENT) {
    const { answer } = await (OF_OTHER.includes(n) ? other : app).wait(id(n), { timeoutMs: 60_000 });
    assert.equal(answer.body, 'thanks');
  }
  life.stop();
  assert.equal((await life.ended).code, 0);
  const { problems, schemaVersion } = checkStore(victim.storePath);
  assert.deepEqual([problems, schemaVersion], [[], SCHEMA_VERSION]);
}
