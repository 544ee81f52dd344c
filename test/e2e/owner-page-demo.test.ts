/** What `demo --keep` leaves for the owner to look at: the real command, in a real Chromium, over HTTPS. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ensureUi } from '../../scripts/ui-build.ts';
import { openBrowser } from '../support/owner-page/browser.ts';
import { Reader } from '../support/owner-page/page.ts';
import { LAUNCHER } from '../support/service.ts';

const PICTURES = fileURLToPath(new URL('../../screenshots/', import.meta.url));

/** Runs the demo until it has printed the link. */
async function keepDemo() {
  ensureUi();
  const demo = spawn(process.execPath, [LAUNCHER, 'demo', '--keep'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const close = async (): Promise<void> => {
    if (demo.exitCode !== null) return;
    demo.kill('SIGINT');
    await once(demo, 'exit');
  };
  for await (const line of createInterface({ input: demo.stdout })) {
    const link = /https:\S+#code=\S+/.exec(line)?.[0];
    if (link !== undefined) return { link, [Symbol.asyncDispose]: close };
  }
  throw new Error('The demo ended without a link.');
}

it('the demo’s owner sees several apps and places, a dead one, a blocked one, and a budget nearly used', async () => {
  mkdirSync(PICTURES, { recursive: true });
  await using demo = await keepDemo();
  await using browser = await openBrowser();
  await using reader = await Reader.open(browser, { ignoreHTTPSErrors: true });
  const { page } = reader;
  await page.goto(demo.link);
  for (const text of [
    'weather.invalid/readings does not take what is sent to it.',
    'The limit for fitness-band is nearly used up.',
  ])
    await page.getByText(text).waitFor();
  await page.locator('.app-card', { hasText: 'family-photos' }).waitFor();
  assert.ok((await page.locator('.app-card').count()) >= 6);
  await page.screenshot({ path: join(PICTURES, 'demo.png'), fullPage: true });
  await page.getByRole('link', { name: 'Your rules', exact: true }).click();
  await page.getByText('Blocked: everything to tracker.invalid/collect').waitFor();
  const [cookie] = await reader.context.cookies();
  assert.deepEqual([cookie?.secure, cookie?.name.startsWith('__Host-')], [true, true]);
});
