/**
 * What others may try with the owner's page: apps and destinations that write what is shown, sites that the owner's browser
 * visits meanwhile, and pages that put ours into a frame. In a real Chromium, over the whole service.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { Browser } from 'playwright-core';
import { openBrowser } from '../support/owner-page/browser.ts';
import { OwnerBox } from '../support/owner-page/owner-box.ts';
import { Reader } from '../support/owner-page/page.ts';

let browser: Browser;
let box: OwnerBox;
before(async () => {
  [browser, box] = await Promise.all([openBrowser(), OwnerBox.start()]);
});
after(async () => {
  await browser?.close();
  await box?.[Symbol.asyncDispose]();
});

/** Each of them would leave a mark in `window.owned` if it ran. */
const SCRIPTS = [
  '<img src=x onerror="owned=1">',
  '"><script>owned=1</script>',
  "'-owned=1-'",
  '</title><svg onload=owned=1>',
  '{{constructor.constructor("owned=1")()}}',
  '\u202Egnp.exe<b>',
  'javascript:owned=1',
  '__proto__',
];

/** Another site on this machine. To a browser a host of another name is another site. */
async function startSite(html: string) {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end(html);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://localhost:${port}/`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

describe('script in what apps and destinations write', () => {
  it('is shown as text everywhere, and nothing of it runs', async () => {
    await using reader = await Reader.open(browser);
    box.world.set('evil.example', {
      kind: 'fails',
      failure: { code: 'connection_failed', detail: '<img src=x onerror="owned=1">' },
    });
    const ids: string[] = [];
    for (const [at, app] of SCRIPTS.entries()) {
      const to = `https://evil.example/${encodeURI(app)}?a=${at}&b="><script>owned=1</script>#<b>`;
      ids.push(...(await box.send({ app, to, count: 1 })));
    }
    const note = SCRIPTS[0] ?? '';
    await box.ask('POST', '/owner/rules', {
      kind: 'budget',
      app: note,
      limit: 1,
      unit: 'exports',
      per: 'day',
      note,
    });
    const page = await reader.signIn(box);
    await page.getByText(note).first().waitFor();
    for (const hash of ['#/exports', '#/rules', ...ids.map((id) => `#/exports/${id}`), '#/']) {
      await page.goto(`${box.url}/ui/${hash}`);
      await page
        .locator('.row, .rule, .facts, .app-card')
        .filter({ hasText: /evil\.example|<img/ })
        .first()
        .waitFor();
    }
    await page.getByRole('button', { name: /^Stop/ }).first().click();
    await page.getByRole('dialog').waitFor();
    assert.equal(await page.evaluate('window.owned'), undefined);
    assert.equal(await page.locator('main script, main img, main b, main iframe').count(), 0);
    assert.deepEqual(
      await page
        .locator('a')
        .evaluateAll((links) => links.map(String).filter((href) => !href.startsWith('http://127.0.0.1'))),
      [],
    );
    assert.deepEqual(reader.complaints, [], 'not even stopped by the policy: nothing tried to run');
  });

  it('in an address of the page is only looked for', async () => {
    await using reader = await Reader.open(browser);
    const page = await reader.signIn(box);
    for (const hash of [
      '#/exports?app=<img src=x onerror=owned=1>',
      '#/exports/<script>owned=1</script>',
      '#<svg onload=owned=1>',
    ]) {
      await page.goto(`${box.url}/ui/${hash}`);
      await page.getByRole('heading', { level: 1 }).waitFor();
    }
    assert.equal(await page.evaluate('window.owned'), undefined);
    assert.deepEqual(reader.complaints, []);
  });
});

describe('the policy of the page', () => {
  it('lets no script run but its own, no text become code, and nobody else be asked', async () => {
    await using reader = await Reader.open(browser);
    const page = await reader.signIn(box);
    await page.getByRole('heading', { level: 1 }).waitFor();
    const tries = {
      inline: `{ const s = document.createElement('script'); s.textContent = 'owned=1'; document.head.append(s); }`,
      markup: `document.body.innerHTML = '<b>x</b>'`,
      handler: `{ const b = document.createElement('b'); b.setAttribute('onclick', 'owned=1'); document.body.append(b); b.click(); }`,
      elsewhere: `fetch('http://localhost:1/').then(() => { owned = 1; })`,
      image: `new Promise((done) => { const i = new Image(); i.onload = () => { owned = 1; done(); }; i.onerror = done; i.src = 'data:image/gif;base64,R0lGODlhAQABAAAAACw='; })`,
      form: `{ const f = document.createElement('form'); f.action = 'http://localhost:1/'; document.body.append(f); f.submit(); }`,
    };
    for (const attempt of Object.values(tries)) await page.evaluate(attempt).catch(() => {});
    await assert.rejects(page.evaluate(`document.body.innerHTML = '<b>x</b>'`), /TrustedHTML/);
    assert.equal(await page.evaluate('window.owned'), undefined);
    assert.equal(page.url(), `${box.url}/ui/`);
  });

  it('was needed by nothing of the page itself, and it asked nobody but its box', async () => {
    await using reader = await Reader.open(browser);
    const page = await reader.signIn(box);
    await page.locator('.chart canvas').waitFor();
    for (const name of ['Activity', 'Your rules', 'Record']) {
      await page.getByRole('link', { name, exact: true }).click();
      await page.getByRole('heading', { name, level: 1 }).waitFor();
    }
    assert.deepEqual(reader.complaints, []);
    assert.deepEqual([...reader.origins], [box.url]);
  });
});

describe('another site that the owner visits', () => {
  it('changes nothing in the owner’s name, and reads nothing', async () => {
    await using reader = await Reader.open(browser);
    await reader.signIn(box);
    await using site = await startSite('<h1>kittens</h1>');
    const page = await reader.context.newPage();
    await page.goto(site.url);
    const before = await box.ask<{ items: object[] }>('GET', '/owner/rules');
    for (const type of ['application/json', 'text/plain']) {
      const made = page.evaluate(
        `fetch('${box.url}/owner/rules', { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{"kind":"block"}', headers: { 'content-type': '${type}' } }).then((r) => r.type)`,
      );
      await made.catch(() => {});
    }
    await page.evaluate(`
      const form = document.createElement('form');
      form.method = 'post'; form.enctype = 'text/plain'; form.action = '${box.url}/owner/rules'; form.target = 'hole';
      const field = document.createElement('input'); field.name = '{"kind":"block","note":"'; field.value = '"}';
      const hole = document.createElement('iframe'); hole.name = 'hole';
      form.append(field); document.body.append(hole, form);
      new Promise((done) => { hole.onload = done; form.submit(); })`);
    await page
      .evaluate(
        `fetch('${box.url}/ui/session', { method: 'DELETE', mode: 'no-cors', credentials: 'include' })`,
      )
      .catch(() => {});
    assert.deepEqual(await box.ask('GET', '/owner/rules'), before);
    await assert.rejects(
      page.evaluate(`fetch('${box.url}/owner/rules', { credentials: 'include' })`),
      /Failed to fetch/,
    );
    await reader.page.reload();
    await reader.page.getByRole('navigation').waitFor();
  });

  it('even one of the same host on another port: its cookie alone makes no change', async () => {
    await using reader = await Reader.open(browser);
    await reader.signIn(box);
    const [cookie] = await reader.context.cookies();
    const headers = { cookie: `${cookie?.name}=${cookie?.value}`, 'content-type': 'application/json' };
    const body = '{"kind":"block"}';
    for (const origin of ['http://127.0.0.1:1', 'null', 'https://evil.example', undefined]) {
      const all = origin === undefined ? headers : { ...headers, origin };
      const response = await fetch(`${box.url}/owner/rules`, { method: 'POST', headers: all, body });
      assert.equal(response.status, 401, `${origin}`);
    }
    const own = await fetch(`${box.url}/owner/rules`, { headers });
    assert.equal(own.status, 200, 'the cookie was a good one');
  });

  it('cannot put the page into a frame, nor reach a window that it opened', async () => {
    await using reader = await Reader.open(browser);
    await reader.signIn(box);
    await using site = await startSite(`<iframe src="${box.url}/ui/" width=800 height=600></iframe>`);
    const page = await reader.context.newPage();
    await page.goto(site.url);
    const frame = page.frames().find((one) => one !== page.mainFrame());
    assert.equal(await frame?.locator('#page, nav').count(), 0);
    assert.equal(
      await frame?.evaluate('location.href').catch(() => 'refused'),
      'chrome-error://chromewebdata/',
    );
    const opened = page.waitForEvent('popup');
    await page.evaluate(`window.w = open('${box.url}/ui/')`);
    await (await opened).getByRole('heading', { level: 1 }).waitFor();
    assert.equal(await page.evaluate('window.w.closed'), true, 'severed: same-origin opener policy');
  });
});
