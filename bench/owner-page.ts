/**
 * `node bench/owner-page.ts [EXPORTS]`: how long until the owner's page shows something, and until it is whole, in a real
 * Chromium over a store with many exports of a hundred apps in the past four weeks.
 */
import { DatabaseSync } from 'node:sqlite';
import { v7 as uuidv7 } from 'uuid';
import { STATE } from '../src/store/sqlite/rows.ts';
import { openBrowser } from '../test/support/owner-page/browser.ts';
import { OwnerBox } from '../test/support/owner-page/owner-box.ts';
import { Reader } from '../test/support/owner-page/page.ts';

const EXPORTS_DEFAULT = 1_000_000;
const APPS = 100;
const BATCH = 10_000;
/** Within the days that the page shows, whatever the time of day. */
const SPAN_MS = 27 * 86_400_000;
const RUNS = 7;

const count = Number(process.argv[2] ?? EXPORTS_DEFAULT);
await using box = await OwnerBox.start();
await box.stopService();
fill(`${box.dataDir}/exports.db`);
await box.startService();
await using browser = await openBrowser();
const times: { shown: number; named: number; whole: number }[] = [];
for (let run = 0; run < RUNS; run += 1) times.push(await look());
console.log(
  `${count.toLocaleString('en')} exports of ${APPS} apps; ms from opening the page, median of ${RUNS}`,
);
for (const name of ['shown', 'named', 'whole'] as const) {
  const sorted = times.map((one) => one[name]).sort((a, b) => a - b);
  console.log(
    `${name.padEnd(8)} ${sorted[RUNS >> 1]?.toFixed(0)} (${sorted[0]?.toFixed(0)} to ${sorted.at(-1)?.toFixed(0)})`,
  );
}

/** `shown`: the frame, and that it is loading. `named`: what left today, by whom. `whole`: all four weeks. */
async function look(): Promise<{ shown: number; named: number; whole: number }> {
  await using reader = await Reader.open(browser);
  const page = await reader.signIn(box);
  const startedAt = performance.now();
  const since = () => performance.now() - startedAt;
  await page.reload({ waitUntil: 'commit' });
  await page.getByRole('navigation').waitFor();
  const shown = since();
  await page.locator('.app-card').first().waitFor();
  const named = since();
  await page.getByText(`${count.toLocaleString('en-GB')} items in four weeks`).waitFor();
  return { shown, named, whole: since() };
}

/** Straight into the table: through the service it would take longer than all the rest. */
function fill(path: string): void {
  using db = new DatabaseSync(path);
  const lane = db.prepare('INSERT INTO lanes (id, client, destination) VALUES (?, ?, ?)');
  for (let app = 0; app < APPS; app += 1)
    lane.run(app + 1, `app-${app}`, `https://place-${app % 40}.example/in/${app}`);
  const job = db.prepare(`
    INSERT INTO jobs (id, lane, state, data_bytes, attempts_max, attempts, attempts_spent, accepted_at, expires_at, finished_at, result_status)
    VALUES (?, ?, ${STATE.delivered}, ?, 9, 1, 1, ?, ?, ?, 200)`);
  const attempt = db.prepare(
    "INSERT INTO attempts (job, number, started_at, ended_at, address, status) VALUES (?, 1, ?, ?, '192.0.2.1', 200)",
  );
  const now = Date.now();
  for (let done = 0; done < count; done += BATCH) {
    db.exec('BEGIN');
    for (let n = done; n < Math.min(count, done + BATCH); n += 1) {
      const at = Math.round(now - SPAN_MS + ((n + 1) / count) * SPAN_MS) - 60_000;
      const id = Buffer.from(uuidv7({ msecs: at }).replaceAll('-', ''), 'hex');
      const { lastInsertRowid } = job.run(id, (n % APPS) + 1, 200 + (n % 5_000), at, at + SPAN_MS, at + 40);
      attempt.run(lastInsertRowid, at, at + 40);
    }
    db.exec('COMMIT');
  }
}
