/**
 * The service dies under the open page and comes back, as on a box that loses its power: the real process, killed, over a real
 * store. What the page shows afterwards is compared with what the service tells.
 */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Page } from 'playwright-core';
import { ensureUi } from '../../scripts/ui-build.ts';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import { openBrowser } from '../support/owner-page/browser.ts';
import { Reader } from '../support/owner-page/page.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';
import { until } from '../support/until.ts';

/** More than a page of the list. */
const SENT_BEFORE = 55;
const SENT_AFTER = 3;

interface Listed {
  readonly id: string;
  readonly outcome: string | null;
}

/** The service as its owner and an app speak with it. */
function speaker(service: ServiceProcess, destination: string) {
  const ask = async <T>(method: string, path: string, token: string, body?: object): Promise<T> => {
    const headers = { 'x-api-key': token, 'content-type': 'application/json' };
    const response = await fetch(service.url + path, {
      method,
      headers,
      ...(body && { body: JSON.stringify(body) }),
    });
    assert.ok(response.ok, `${method} ${path}: ${response.status}`);
    return (await response.json()) as T;
  };
  const owner = tokenFor({ path: '/owner/*', method: '*' });
  const one = { uri: destination, data: '{}' };
  return {
    send: (app: string, count: number) =>
      ask(
        'POST',
        '/export',
        tokenFor({ client: app, destination }),
        Array.from({ length: count }, () => one),
      ),
    list: async () => (await ask<{ items: Listed[] }>('GET', '/owner/exports?limit=500', owner)).items,
    async link() {
      const { code } = await ask<{ code: string }>('POST', '/owner/links', owner);
      return `${service.url}/ui/#code=${code}`;
    },
  };
}

async function shownIds(page: Page): Promise<string[]> {
  const links = await page.locator('.row').evaluateAll((rows) => rows.map((row) => `${row.outerHTML}`));
  return links.map((link) => /[0-9a-f-]{36}/.exec(link)?.[0] ?? link);
}

it('a service that is killed is told to be away, and goes on live: nothing is shown twice, nothing is lost', async () => {
  ensureUi();
  let isSilent = true;
  await using destination = await startDestination({
    onRequest: (socket) => {
      if (!isSilent) socket.write(answerText('200 OK'));
    },
  });
  await using service = await ServiceProcess.start();
  const { send, list, link } = speaker(service, destination.url);
  await using browser = await openBrowser();
  await using reader = await Reader.open(browser);

  // The oldest of all is under way when the service dies, and far down in the list.
  await send('camera', 1);
  await destination.arrived(1);
  isSilent = false;
  await send('meter', SENT_BEFORE);
  await until(
    async () => (await list()).filter(({ outcome }) => outcome === 'delivered').length === SENT_BEFORE,
  );
  const page = await reader.signIn({ link });
  await page.goto(`${service.url}/ui/#/exports`);
  await page.getByRole('button', { name: 'Show more' }).click();
  const cut = page.locator('.row', { hasText: 'camera' });
  await cut.getByText('On the way').waitFor();
  await page.getByText('Live', { exact: true }).waitFor();

  await service.end('SIGKILL');
  await page.getByText('Your box cannot be reached.').waitFor();
  assert.equal((await shownIds(page)).length, SENT_BEFORE + 1, 'what is there stays to be read');
  // It goes on while the page is not there to hear of it.
  await reader.context.setOffline(true);
  await service.start();
  await until(async () => (await list()).every(({ outcome }) => outcome === 'delivered'));
  await reader.context.setOffline(false);
  await page.getByText('Your box cannot be reached.').waitFor({ state: 'detached' });
  await cut.getByText('Arrived').waitFor();
  await send('meter', SENT_AFTER);

  const ids = (await list()).map(({ id }) => id);
  assert.equal(ids.length, SENT_BEFORE + 1 + SENT_AFTER);
  await until(async () => (await page.locator('.row').count()) >= ids.length);
  assert.deepEqual(await shownIds(page), ids);
  await cut.click();
  await page.getByText('Your box was cut off in the middle: it may have been sent.').waitFor();
  await page.getByText('Arrived', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Overview' }).click();
  await page.getByText(`Today ${ids.length} items left your box.`).waitFor();
  assert.deepEqual(reader.complaints, []);
});
