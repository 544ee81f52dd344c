/**
 * The owner's page in a real Chromium, over the whole service: what a person sees, and what they can do. Only the world
 * outside the box is played, so that it has names that people know.
 *
 * Method: one browser and one box for all; each test begins with the page newly loaded, and leaves no rule behind. Nothing is
 * waited for but conditions.
 */
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Browser, Locator, Page } from 'playwright-core';
import { openBrowser } from '../support/owner-page/browser.ts';
import { OwnerBox } from '../support/owner-page/owner-box.ts';
import { PATIENCE_MS, Reader } from '../support/owner-page/page.ts';
import { liveSampleLife, PLACES } from '../support/owner-page/sample-life.ts';
import { until } from '../support/until.ts';

let browser: Browser;
let box: OwnerBox;
/** Signed in for all tests that are not about that: a window of its own takes a browser longer than most of them. */
let owner: Reader;
before(async () => {
  [browser, box] = await Promise.all([openBrowser(), OwnerBox.start()]);
  await liveSampleLife(box);
  ownRules = (await rulesOfBox()).map(({ id }) => id);
  owner = await Reader.open(browser);
  await owner.signIn(box);
});
after(async () => {
  await browser?.close();
  await box?.[Symbol.asyncDispose]();
});

interface RuleOfBox {
  readonly id: string;
  readonly kind: string;
  readonly app?: string;
  readonly destination?: string;
}

async function rulesOfBox(): Promise<readonly RuleOfBox[]> {
  return (await box.ask<{ items: RuleOfBox[] }>('GET', '/owner/rules')).items;
}

/** A rule that a test made is gone again when it is over, however it ended. */
let ownRules: readonly string[] = [];
async function forgetRules(): Promise<void> {
  for (const { id } of await rulesOfBox())
    if (!ownRules.includes(id)) await box.ask('DELETE', `/owner/rules/${id}`);
}
afterEach(forgetRules);

/** The page, newly loaded, of the owner who is signed in. */
async function openPage(): Promise<Page> {
  const { page, complaints } = owner;
  complaints.length = 0;
  await page.goto('about:blank');
  await page.goto(`${box.url}/ui/`);
  await seen(page.getByRole('navigation'));
  return page;
}

async function seen(locator: Locator): Promise<void> {
  await locator.first().waitFor({ timeout: PATIENCE_MS });
}

async function gone(locator: Locator): Promise<void> {
  await locator.first().waitFor({ state: 'detached', timeout: PATIENCE_MS });
}

describe('signing in', () => {
  it('is by a link; its code is nowhere afterwards, and scripts cannot read the session', async () => {
    await using reader = await Reader.open(browser);
    const page = await reader.signIn(box);
    await seen(page.getByRole('heading', { name: /items left your box/ }));
    assert.equal(page.url(), `${box.url}/ui/`);
    assert.equal(
      await page.evaluate('document.cookie + JSON.stringify({...localStorage, ...sessionStorage})'),
      '{}',
    );
    assert.deepEqual(await page.evaluate('indexedDB.databases()'), []);
    const [cookie, ...others] = await reader.context.cookies();
    assert.deepEqual([cookie?.httpOnly, cookie?.sameSite, others.length], [true, 'Strict', 0]);
    await page.reload();
    await seen(page.getByRole('heading', { name: /items left your box/ }));
    assert.deepEqual(reader.complaints, []);
  });

  it('a link works once, and says so the second time', async () => {
    await using first = await Reader.open(browser);
    await using second = await Reader.open(browser);
    const link = await box.link();
    await first.page.goto(link);
    await seen(first.page.getByRole('navigation'));
    await second.page.goto(link);
    await seen(second.page.getByText('This link was used already'));
    assert.deepEqual(await second.context.cookies(), []);
    assert.doesNotMatch(second.page.url(), /code/);
  });

  it('a link that is too old, or none of ours, says so; a good one still opens the page', async () => {
    await using reader = await Reader.open(browser);
    let old = '';
    // Ten minutes and a bit, in days.
    await box.inThePast(11 / 1_440, async () => {
      old = await box.link();
    });
    await reader.page.goto(old);
    await seen(reader.page.getByText('This link has run out'));
    await reader.page.goto(`${box.url}/ui/#code=guessed`);
    await seen(reader.page.getByText('This is no link of this service'));
    await reader.page.goto(await box.link());
    await seen(reader.page.getByRole('navigation'));
  });

  it('without a link the page says how to get one', async () => {
    await using reader = await Reader.open(browser);
    await reader.page.goto(`${box.url}/ui`);
    await seen(reader.page.getByText('export-service owner-link'));
    await reader.checkAccessibility('signed out');
  });

  it('signing out ends the session, in other windows too', async () => {
    await using reader = await Reader.open(browser);
    const page = await reader.signIn(box);
    const other = await reader.context.newPage();
    await other.goto(`${box.url}/ui/`);
    await seen(other.getByRole('navigation'));
    await page.getByRole('button', { name: 'Sign out' }).click();
    await seen(page.getByText('You are signed out on this device.'));
    await page.reload();
    await seen(page.getByText('To open it you need a sign-in link.'));
    // The other one hears of it with the next thing that happens.
    await box.send({ app: 'smart-meter', to: PLACES.energy, count: 1 });
    await seen(other.getByText('that has run out'));
  });
});

describe('a glance', () => {
  it('tells how much left, who sent it, where to, and what is worth a look', async () => {
    const page = await openPage();
    await seen(page.getByText(/weather\.example\/readings does not take what is sent to it/));
    await seen(page.getByText(/It cannot be reached\. 5 items wait/));
    await seen(page.getByText('The limit for fitness-band is nearly used up.'));
    const sleep = page.locator('.app-card', { hasText: 'sleep-diary' });
    await seen(sleep.getByText('9 items, 17.2 kB'));
    await seen(sleep.getByRole('link', { name: 'See each item: sleep-diary, weather.example/readings' }));
    await seen(page.locator('.app-card', { hasText: 'weather-station' }).getByText('5 on the way'));
  });

  it('tells of the past weeks, by a chart, a sentence and a table', async () => {
    const page = await openPage();
    const { items } = await box.ask<{ items: { accepted: number }[] }>('GET', '/owner/summary');
    const all = items.reduce((sum, { accepted }) => sum + accepted, 0).toLocaleString('en-GB');
    await seen(page.getByText(`${all} items in four weeks.`));
    await seen(page.locator('.chart canvas'));
    await page.getByText('The same as a table').click();
    assert.equal(await page.locator('tbody tr').count(), 28);
    await page.getByRole('radio', { name: 'Amount' }).check();
    await seen(page.getByText(/MB in four weeks\./));
    await page.getByRole('radio', { name: '4 weeks' }).check();
    await seen(page.locator('.app-card', { hasText: 'family-photos' }));
    assert.deepEqual(owner.complaints, []);
  });

  it('does not say how much left on days that it has not read', async () => {
    const { page } = owner;
    // The answers of earlier days do not come.
    await page.route(/owner\/summary\?.*until=/, (route) => {
      const until = new URL(route.request().url()).searchParams.get('until') ?? '';
      return Date.parse(until) > Date.now() ? route.continue() : route.abort();
    });
    await openPage();
    await seen(page.locator('.chart canvas'));
    await seen(page.getByText('Not all of the four weeks is read yet.'));
    assert.equal(await page.getByText('in four weeks.').count(), 0);
    await page.unrouteAll();
    await openPage();
    await seen(page.getByText(/ items in four weeks\./));
  });

  it('is searched by app and by place', async () => {
    const page = await openPage();
    await seen(page.locator('.app-card'));
    await page.getByRole('searchbox', { name: 'Search apps and places' }).fill('weather.ex');
    await gone(page.locator('.app-card', { hasText: 'smart-meter' }));
    assert.equal(await page.locator('.app-card').count(), 2);
    await page.getByRole('searchbox', { name: 'Search apps and places' }).fill('nobody');
    await seen(page.getByText('No app and no place fits your search.'));
  });
});

describe('what was refused', () => {
  it('is told with its reason, though no event tells of it: the record is asked', async () => {
    await using reader = await Reader.open(browser);
    box.passMidnight();
    await reader.page.clock.install({ time: box.clock.now() });
    const page = await reader.signIn(box);
    await seen(page.locator('.app-card'));
    await box.ask('POST', '/owner/rules', { kind: 'block', app: 'nosy-game' });
    await box.ask('POST', '/owner/rules', {
      kind: 'budget',
      app: 'chatty-tv',
      limit: 0,
      unit: 'exports',
      per: 'day',
    });
    const refused = async (app: string, to: string, code: RegExp): Promise<void> =>
      assert.rejects(box.send({ app, to, count: 1 }), code);
    await refused('nosy-game', PLACES.ads, /destination_refused/);
    await refused('nosy-game', PLACES.energy, /destination_refused/);
    await refused('chatty-tv', PLACES.energy, /budget_exhausted/);
    await refused('old-camera', 'http://camera.example/', /destination_refused/);
    // They are recorded when their minute is over: after the first refusal of another one.
    box.passMinute();
    for (let count = 0; count < 2; count += 1)
      await refused('old-camera', 'http://camera.example/', /destination_refused/);
    await page.clock.fastForward('00:15');
    const concern = (text: string) => page.locator('.concern', { hasText: text });
    // There are more to look at than are shown at once.
    await page.getByRole('button', { name: 'Show all of them' }).click();
    assert.ok((await page.locator('.concern').count()) > 5);
    await seen(
      concern('nosy-game was refused twice today.').getByText(
        'You blocked it. It wanted to send to 2 places.',
      ),
    );
    await seen(concern('chatty-tv was refused once today.').getByText('Your limit was used up.'));
    await seen(
      concern('old-camera was refused once today.').getByText(
        /Your box never sends there: .* http:\/\/camera\.example/,
      ),
    );
    await concern('old-camera').getByRole('link', { name: 'See the record' }).click();
    await seen(page.getByText('old-camera was refused once within a minute.'));
    assert.deepEqual(reader.complaints, []);
  });

  it('on its way, as an address inside the network, is told with its reason', async () => {
    const page = await openPage();
    const failure = { code: 'address_refused', detail: 'The address 10.0.0.1 is private.' } as const;
    box.world.set('inside.example', { kind: 'is refused', failure });
    await box.send({ app: 'old-camera', to: 'https://inside.example/', count: 1 });
    const concern = page.locator('.concern', { hasText: '1 item did not arrive at inside.example today.' });
    await seen(
      concern.getByText('Its name leads to an address that your box does not send to. Sent by old-camera.'),
    );
    await concern.getByRole('link', { name: 'Look: inside.example' }).click();
    await page.locator('.row').click();
    await seen(page.getByText('The address 10.0.0.1 is private.'));
  });

  it('by a place that is out of order is told as its answer', async () => {
    const page = await openPage();
    box.world.set('busy.example', { kind: 'answers', status: 503 });
    const [id = ''] = await box.send({ app: 'old-camera', to: 'https://busy.example/', count: 1 });
    const concern = page.locator('.concern', { hasText: 'busy.example does not take what is sent to it.' });
    await seen(concern.getByText('The place answered 503 (broken at the moment). 1 item waits'));
    await page.goto(`${box.url}/ui/#/exports/${id}`);
    await seen(page.locator('.attempts').getByText('503 (broken at the moment)'));
    await box.ask('POST', `/owner/exports/${id}/cancel`);
    await seen(page.getByText('Taken back', { exact: true }));
  });
});

describe('the activity', () => {
  it('is filtered by app, place and state, in an address that can be kept', async () => {
    const page = await openPage();
    await page.getByRole('link', { name: 'Activity' }).click();
    await seen(page.locator('.row'));
    await page.getByLabel('App', { exact: true }).selectOption('sleep-diary');
    await seen(page.locator('.row', { hasText: 'sleep-diary' }));
    await gone(page.locator('.row', { hasText: 'fitness-band' }));
    await page.getByLabel('Place', { exact: true }).selectOption(PLACES.weather);
    await until(async () => (await page.locator('.row').count()) === 2);
    await page.getByLabel('State', { exact: true }).selectOption('Pending');
    await seen(page.getByText('Nothing fits this choice.'));
    await page.reload();
    await seen(page.getByText('Nothing fits this choice.'));
    await page.getByRole('button', { name: 'Show everything' }).click();
    await seen(page.locator('.row', { hasText: 'fitness-band' }));
  });

  it('is read on by page, to its end', async () => {
    const page = await openPage();
    await page.goto(`${box.url}/ui/#/exports?app=family-photos`);
    await seen(page.getByText('That is all there is.'));
    await page.goto(`${box.url}/ui/#/exports?app=smart-meter`);
    await until(async () => (await page.locator('.row').count()) === 50);
    await page.getByRole('button', { name: 'Show more' }).click();
    await until(async () => (await page.locator('.row').count()) === 100);
    assert.equal(
      new Set(await page.locator('.row').evaluateAll((rows) => rows.map((row) => `${row}`))).size,
      100,
    );
  });

  it('finds an item by its number, an app and a place by a part of its name', async () => {
    const page = await openPage();
    const [id = ''] = await box.send({ app: 'smart-meter', to: PLACES.energy, count: 1 });
    await page.goto(`${box.url}/ui/#/exports`);
    const search = page.getByRole('searchbox');
    await search.fill(id.toUpperCase());
    await search.press('Enter');
    await seen(page.getByText(id));
    await page.goBack();
    await search.fill('sleep');
    await search.press('Enter');
    await page.getByRole('link', { name: 'study.sleep-lab.example/in', exact: true }).click();
    await page.waitForURL(/destination=https%3A%2F%2Fstudy/);
    await search.fill('xyz');
    await search.press('Enter');
    await seen(page.getByText('No app and no place has that in its name.'));
  });

  it('leads to one item: what was tried, and what came of it', async () => {
    const page = await openPage();
    await page.goto(`${box.url}/ui/#/exports?app=weather-station&state=Processing`);
    await page.locator('.row').first().click();
    await seen(page.getByRole('heading', { name: 'weather-station to weather.example/readings' }));
    await seen(page.getByRole('heading', { name: 'Try 1', exact: true }));
    await seen(page.getByText('It cannot be reached.'));
    await page.goto(`${box.url}/ui/#/exports/01a20e67-fd50-76a8-84cd-cd199f822368`);
    await seen(page.getByText('There is no such item.'));
  });
});

describe('stopping', () => {
  it('takes two presses to pause an app’s way to a place, and one to undo it', async () => {
    const page = await openPage();
    const what = 'smart-meter, grid.energy.example/v2/meters';
    await page.getByRole('button', { name: `Stop ${what}…` }).click();
    await page
      .getByRole('button', { name: /^Pause/ })
      .last()
      .click();
    await seen(page.getByText('Paused: smart-meter to grid.energy.example/v2/meters.'));
    await seen(page.locator('.app-card', { hasText: 'smart-meter' }).getByText('Paused by you'));
    const made = (await rulesOfBox()).find(({ kind }) => kind === 'hold');
    assert.deepEqual([made?.app, made?.destination], ['smart-meter', PLACES.energy]);
    const [id = ''] = await box.send({ app: 'smart-meter', to: PLACES.energy, count: 1 });
    await seen(page.getByText('1 item waits until you let it go on.'));
    await page.getByRole('button', { name: 'Undo' }).click();
    await until(
      async () => (await box.ask<{ outcome: string }>('GET', `/owner/exports/${id}`)).outcome === 'delivered',
    );
    await gone(page.getByText('Paused by you'));
    assert.deepEqual(
      (await rulesOfBox()).filter(({ kind }) => kind === 'hold'),
      [],
    );
  });

  it('blocks a place for every app; what waited is gone, and unblocking can be undone', async () => {
    const page = await openPage();
    await page.getByRole('button', { name: /^Stop smart-meter/ }).click();
    await page.getByText('grid.energy.example/v2/meters, whichever app sends').click();
    await page.getByRole('button', { name: /^Block/ }).click();
    await seen(page.getByText('Blocked: everything to grid.energy.example/v2/meters.'));
    await assert.rejects(
      box.send({ app: 'smart-meter', to: PLACES.energy, count: 1 }),
      /destination_refused/,
    );
    await page.getByRole('link', { name: 'Your rules', exact: true }).click();
    const unblock = page.getByRole('button', {
      name: 'Unblock: everything to grid.energy.example/v2/meters',
    });
    await unblock.click();
    await gone(unblock);
    await box.send({ app: 'smart-meter', to: PLACES.energy, count: 1 });
    await page.getByRole('button', { name: 'Undo' }).last().click();
    await seen(unblock);
    await assert.rejects(
      box.send({ app: 'smart-meter', to: PLACES.energy, count: 1 }),
      /destination_refused/,
    );
    await unblock.click();
    await gone(unblock);
  });

  it('limits an app; a limit that is no number is refused in words', async () => {
    const page = await openPage();
    await page.getByRole('button', { name: 'Stop sleep-diary…' }).click();
    await page.getByRole('button', { name: /^Limit/ }).click();
    await page.getByLabel('At most').fill('many');
    await page.getByRole('button', { name: 'Set the limit' }).click();
    await seen(page.getByText('A whole number, please'));
    await page.getByLabel('At most').fill('2');
    await page.getByLabel('Counted in').selectOption('kB');
    await page.getByLabel('In each').selectOption('hour');
    await page.getByRole('button', { name: 'Set the limit' }).click();
    await seen(page.getByText('Limited: sleep-diary.'));
    await assert.rejects(
      box.send({ app: 'sleep-diary', to: PLACES.sleep, count: 1, bytes: 2_001 }),
      /budget_exhausted/,
    );
    await box.send({ app: 'sleep-diary', to: PLACES.sleep, count: 1, bytes: 1_700 });
    await seen(page.getByText('The limit for sleep-diary is nearly used up.'));
    await seen(page.getByText('1.7 kB of 2 kB used.'));
    await page.getByRole('link', { name: 'Your rules', exact: true }).click();
    const remove = page.getByRole('button', { name: 'Remove the limit: sleep-diary' });
    await remove.click();
    await gone(remove);
  });

  it('pauses everything with one press; going on is asked for', async () => {
    const page = await openPage();
    await page.getByRole('button', { name: 'Pause everything' }).click();
    await seen(page.getByText('Everything is paused.'));
    const [id = ''] = await box.send({ app: 'sleep-diary', to: PLACES.sleep, count: 1 });
    await page.getByRole('button', { name: 'Let everything go on' }).click();
    await seen(page.getByText('What has waited leaves your box now.'));
    await page.getByRole('button', { name: 'Never mind' }).click();
    assert.equal((await rulesOfBox()).filter(({ kind }) => kind === 'hold').length, 1);
    await page.getByRole('button', { name: 'Let everything go on' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Let it go on' }).click();
    await seen(page.getByRole('button', { name: 'Pause everything' }));
    await until(
      async () => (await box.ask<{ outcome: string }>('GET', `/owner/exports/${id}`)).outcome === 'delivered',
    );
  });

  it('takes one item back, and sends another once more', async () => {
    const page = await openPage();
    const [waiting = ''] = await box.send({ app: 'weather-station', to: PLACES.weather, count: 1 });
    await page.goto(`${box.url}/ui/#/exports/${waiting}`);
    await page.getByRole('button', { name: 'Take it back' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Take it back' }).click();
    await seen(page.getByText('Taken back', { exact: true }));
    const [sent = ''] = await box.send({ app: 'sleep-diary', to: PLACES.sleep, count: 1 });
    await page.goto(`${box.url}/ui/#/exports/${sent}`);
    await page.getByRole('button', { name: 'Send it once more' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Send it once more' }).click();
    await seen(page.getByRole('link', { name: sent }));
    await seen(page.getByText('Arrived', { exact: true }));
    // What was taken back has no second life: its data is gone, and the page passes on why.
    await page.goto(`${box.url}/ui/#/exports/${waiting}`);
    await page.getByRole('button', { name: 'Send it once more' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Send it once more' }).click();
    await until(async () => (await page.locator('.notice').count()) > 0);
  });
});

describe('what happens is shown', () => {
  it('as it happens', async () => {
    const page = await openPage();
    await page.goto(`${box.url}/ui/#/exports?app=new-app`);
    await seen(page.getByText('Nothing fits this choice.'));
    box.world.set('new.example', { kind: 'answers', status: 404 });
    await box.send({ app: 'new-app', to: 'https://new.example/', count: 2 });
    await seen(page.locator('.row').getByText('Turned away'));
    assert.equal(await page.locator('.row').count(), 2);
    await page.getByRole('link', { name: 'Overview' }).click();
    await seen(page.locator('.app-card', { hasText: 'new-app' }));
  });

  it('after the service was away and came back, on its own', async () => {
    const page = await openPage();
    await seen(page.getByText('Live', { exact: true }));
    await box.stopService();
    await seen(page.getByText('Your box cannot be reached.'));
    await owner.checkAccessibility('offline');
    // What is there stays to be read.
    await seen(page.locator('.app-card', { hasText: 'sleep-diary' }));
    await box.startService();
    await box.send({ app: 'born-meanwhile', to: PLACES.energy, count: 1 });
    await seen(page.locator('.app-card', { hasText: 'born-meanwhile' }));
    await gone(page.getByText('Your box cannot be reached.'));
    assert.deepEqual(owner.complaints, []);
  });

  it('after a laptop slept: what came meanwhile is there when it wakes', async () => {
    const page = await openPage();
    await seen(page.getByText('Live', { exact: true }));
    await owner.context.setOffline(true);
    await box.send({ app: 'while-asleep', to: PLACES.energy, count: 1 });
    await owner.context.setOffline(false);
    await seen(page.locator('.app-card', { hasText: 'while-asleep' }));
  });

  it('after more happened than is told one by one: far down in the list too', async () => {
    const page = await openPage();
    const place = 'https://far-down.example/';
    const failure = { code: 'timeout', detail: 'No answer.' } as const;
    box.world.set('far-down.example', { kind: 'fails', failure });
    const [oldest = ''] = await box.send({ app: 'far-down', to: place, count: 1 });
    await box.send({ app: 'far-down', to: place, count: 50 });
    await page.goto(`${box.url}/ui/#/exports?app=far-down`);
    await page.getByRole('button', { name: 'Show more' }).click();
    await until(async () => (await page.locator('.row').count()) === 51);
    await box.stopService();
    await seen(page.getByText('Your box cannot be reached.'));
    await owner.context.setOffline(true);
    await box.startService();
    await box.ask('POST', `/owner/exports/${oldest}/cancel`);
    // More than are told of one by one to whoever comes back.
    for (let thousands = 0; thousands < 3; thousands += 1)
      await box.send({ app: 'busy', to: PLACES.energy, count: 1_000 });
    await owner.context.setOffline(false);
    await seen(page.locator('.row').last().getByText('Taken back'));
    assert.equal(await page.locator('.row').count(), 51);
    await box.ask('POST', '/owner/rules', { kind: 'block', app: 'far-down' });
    await seen(page.locator('.row').first().getByText('Blocked by you'));
  });

  it('what is done while the service is away is told to have failed, and can be tried again', async () => {
    const page = await openPage();
    await seen(page.getByText('Live', { exact: true }));
    await owner.context.setOffline(true);
    await page.getByRole('button', { name: 'Pause everything' }).click();
    await seen(page.getByText('Your box did not answer. Look whether it was done'));
    await owner.context.setOffline(false);
    await page.getByRole('button', { name: 'Pause everything' }).click();
    await seen(page.getByText('Everything is paused.'));
    await forgetRules();
    await seen(page.getByRole('button', { name: 'Pause everything' }));
  });
});

describe('a box in which nothing has happened', () => {
  it('says so everywhere, and draws the first thing that does', async () => {
    await using empty = await OwnerBox.start();
    await using reader = await Reader.open(browser);
    const page = await reader.signIn(empty);
    await seen(page.getByText('Nothing has left your box today.'));
    await seen(page.getByText('All is well: nothing is stuck, and nothing was refused.'));
    await seen(page.getByText('As soon as an app sends something'));
    await seen(page.getByText('Nothing left your box in the past four weeks.'));
    await reader.checkAccessibility('an empty box');
    await page.getByRole('link', { name: 'Your rules', exact: true }).click();
    await seen(page.getByText('You have no rules'));
    await page.getByRole('link', { name: 'Overview' }).click();
    await empty.send({ app: 'first', to: PLACES.energy, count: 1 });
    await seen(page.getByText('Today 1 item left your box.'));
    await seen(page.locator('.chart canvas'));
  });
});

describe('with the keyboard alone', () => {
  // Beside other work the focus is at times not in the dialog, for reasons that are not found yet.
  it('an app is paused, and the focus is where it was', async () => {
    const page = await openPage();
    await seen(page.locator('.app-card'));
    const stop = page.getByRole('button', { name: 'Stop fitness-band, social.fitness.example/share…' });
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'Skip to the content');
    await tabTo(page, stop);
    await page.keyboard.press('Enter');
    await seen(page.getByRole('dialog'));
    const isOnPause = async () => (await focused(page)).startsWith('Pause');
    await until(isOnPause);
    await page.keyboard.press('Escape');
    await gone(page.getByRole('dialog'));
    await until(async () => (await focused(page)) === 'Stop…');
    await page.keyboard.press('Enter');
    await until(isOnPause);
    await page.keyboard.press('Enter');
    await seen(page.getByText('Paused: fitness-band to social.fitness.example/share.'));
  });

  it('a view that was changed to begins with its heading', async () => {
    const page = await openPage();
    await tabTo(page, page.getByRole('link', { name: 'Your rules', exact: true }));
    await page.keyboard.press('Enter');
    // Not the link, which says the same and has the focus until the view is there.
    await seen(page.locator('h1:focus', { hasText: 'Your rules' }));
    assert.equal(await page.title(), 'Your rules – What leaves your box');
  });
});

async function focused(page: Page): Promise<string> {
  return page.evaluate<string>('document.activeElement.textContent');
}

async function tabTo(page: Page, target: Locator): Promise<void> {
  const isThere = () => target.evaluate((element) => element === element.ownerDocument.activeElement);
  for (let presses = 0; presses < 100; presses += 1) {
    if (await isThere()) return;
    await page.keyboard.press('Tab');
  }
  assert.fail('the keyboard does not get there');
}
