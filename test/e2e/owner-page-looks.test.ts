/**
 * How the page looks to everybody: light and dark, phone and desktop, each view. What WCAG 2.2 AA asks for is checked by
 * axe, and that nothing sticks out to the side; pictures of each are left in `screenshots/`, for a person to look at.
 */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { openBrowser } from '../support/owner-page/browser.ts';
import { OwnerBox } from '../support/owner-page/owner-box.ts';
import { Reader } from '../support/owner-page/page.ts';
import { liveSampleLife } from '../support/owner-page/sample-life.ts';

const PICTURES = fileURLToPath(new URL('../../screenshots/', import.meta.url));
const SIZES = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } } as const;
/** The smallest window that WCAG 2.2 asks a page to fit without being moved sideways (1.4.10). */
const NARROWEST = { width: 320, height: 640 };

let browser: Browser;
let box: OwnerBox;
before(async () => {
  mkdirSync(PICTURES, { recursive: true });
  [browser, box] = await Promise.all([openBrowser(), OwnerBox.start()]);
  await liveSampleLife(box);
});
after(async () => {
  await browser?.close();
  await box?.[Symbol.asyncDispose]();
});

/** Each view, and what is there when it is whole. */
const VIEWS: readonly { name: string; open: (page: Page) => Promise<unknown> }[] = [
  {
    name: 'overview',
    async open(page) {
      await page.goto(`${box.url}/ui/#/`);
      await page.getByText('things are worth a look').waitFor();
      await page.locator('.chart canvas').waitFor();
      await page.getByText(/items in four weeks/).waitFor();
    },
  },
  {
    name: 'stop',
    async open(page) {
      await page.getByRole('button', { name: /^Stop sleep-diary, study/ }).click();
      await page.getByRole('dialog').waitFor();
    },
  },
  {
    name: 'limit',
    async open(page) {
      await page.getByRole('button', { name: /^Limit/ }).click();
      await page.getByLabel('At most').waitFor();
    },
  },
  {
    name: 'exports',
    async open(page) {
      await page.keyboard.press('Escape');
      await page.goto(`${box.url}/ui/#/exports`);
      await page.locator('.row').first().waitFor();
    },
  },
  {
    name: 'export',
    async open(page) {
      await page.goto(`${box.url}/ui/#/exports?app=weather-station&state=Processing`);
      await page.locator('.row').first().click();
      await page.getByRole('heading', { name: 'Try 1', exact: true }).waitFor();
    },
  },
  {
    name: 'rules',
    async open(page) {
      await page.goto(`${box.url}/ui/#/rules`);
      await page.locator('.rule').nth(1).waitFor();
    },
  },
  {
    name: 'record',
    async open(page) {
      await page.goto(`${box.url}/ui/#/ledger`);
      await page.locator('.entry').first().waitFor();
      await page.getByRole('button', { name: 'Check the record now' }).click();
      await page.getByText('The record is whole.').waitFor();
    },
  },
];

for (const [size, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ['light', 'dark'] as const) {
    // What axe looks at is either in the colours or in the layout: half of the pictures show all of both.
    const isChecked = (size === 'phone') === (colorScheme === 'light');
    describe(`on a ${size}, ${colorScheme}`, () => {
      it('every view is for everybody, and nothing sticks out', async () => {
        await using reader = await Reader.open(browser, { viewport, colorScheme });
        const page = await reader.signIn(box);
        for (const { name, open } of VIEWS) {
          await open(page);
          if (isChecked) await reader.checkAccessibility(name);
          await takePicture(page, `${name}-${size}-${colorScheme}`);
          await assertFits(page, name);
        }
        assert.deepEqual(reader.complaints, []);
      });
    });
  }
}

it('whoever is not signed in, or whose box is away, gets the same care', async () => {
  await using readers = new AsyncDisposableStack();
  const open = async (viewport: { width: number; height: number }, colorScheme: 'light' | 'dark') =>
    readers.use(await Reader.open(browser, { viewport, colorScheme }));
  const [phone, desktop] = [await open(SIZES.phone, 'light'), await open(SIZES.desktop, 'dark')];
  const looks = [
    [phone, 'phone-light'],
    [desktop, 'desktop-dark'],
  ] as const;
  for (const [reader, look] of looks) {
    await reader.page.goto(`${box.url}/ui/`);
    await reader.page.getByText('export-service owner-link').waitFor();
    await reader.checkAccessibility(`signed out, ${look}`);
    await takePicture(reader.page, `sign-in-${look}`);
    await reader.signIn(box);
    await reader.page.getByText(/items in four weeks/).waitFor();
  }
  await box.stopService();
  for (const [reader, look] of looks) {
    await reader.page.getByText('Your box cannot be reached.').waitFor();
    await reader.checkAccessibility(`offline, ${look}`);
    await takePicture(reader.page, `offline-${look}`);
    await assertFits(reader.page, look);
  }
  await box.startService();
});

it('it fits the narrowest window that there is', async () => {
  await using reader = await Reader.open(browser, { viewport: NARROWEST });
  const page = await reader.signIn(box);
  for (const { name, open } of VIEWS) {
    await open(page);
    await assertFits(page, name);
  }
});

it('numbers and times are written as the reader’s locale has them', async () => {
  await using reader = await Reader.open(browser, { locale: 'de-DE', timezoneId: 'Europe/Berlin' });
  const page = await reader.signIn(box);
  await page.getByText('17,2 kB').first().waitFor();
});

/** The whole page, as a person sees it who goes down to its end. */
async function takePicture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

async function assertFits(page: Page, what: string): Promise<void> {
  const overhang = await page.evaluate(
    'document.documentElement.scrollWidth - document.documentElement.clientWidth',
  );
  assert.equal(overhang, 0, what);
}
