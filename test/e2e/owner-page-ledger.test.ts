/**
 * The record on the owner's page, in a real Chromium: it is read, checked by the browser itself against what the service
 * signed, and found to be changed when it was. And the receipt of one export, which others can check.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import type { Browser, Download, Page } from 'playwright-core';
import { parseVerifierKey } from '../../src/ledger/note-key.ts';
import { verifyReceipt } from '../../src/ledger/receipt.ts';
import { openBrowser } from '../support/owner-page/browser.ts';
import { OwnerBox } from '../support/owner-page/owner-box.ts';
import { Reader } from '../support/owner-page/page.ts';
import { PLACES } from '../support/owner-page/sample-life.ts';

const EXPORTS = 300;

let browser: Browser;
let box: OwnerBox;
before(async () => {
  [browser, box] = await Promise.all([openBrowser(), OwnerBox.start()]);
  await box.send({ app: 'smart-meter', to: PLACES.energy, count: EXPORTS });
  await box.ended(EXPORTS);
});
after(async () => {
  await browser?.close();
  await box?.[Symbol.asyncDispose]();
});

async function openRecord(reader: Reader): Promise<Page> {
  const page = await reader.signIn(box);
  await page.getByRole('link', { name: 'Record', exact: true }).click();
  await page.locator('.entry').first().waitFor();
  return page;
}

async function check(page: Page): Promise<string> {
  await page.getByRole('button', { name: 'Check the record now' }).click();
  await page.locator('.verdict').waitFor();
  return (await page.locator('.verdict').textContent()) ?? '';
}

async function saved(page: Page, button: string): Promise<Download> {
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: button }).click();
  return download;
}

/** Changes a row of the store behind the service's back, and gives back how it was. */
function tamper(sql: string): void {
  using db = new DatabaseSync(`${box.dataDir}/exports.db`);
  assert.ok(db.prepare(sql).run().changes > 0, sql);
}

describe('the record', () => {
  it('is told in words, the newest first, back to its beginning', async () => {
    await using reader = await Reader.open(browser);
    const page = await openRecord(reader);
    await page.getByText('400 bytes arrived at grid.energy.example/v2/meters.').first().waitFor();
    const first = page.locator('.entry').first();
    await first.getByText('As it was written').click();
    assert.match((await first.locator('pre').textContent()) ?? '', /^\{"n":\d+,"time":/);
    const before = await page.locator('.entry').count();
    await page.getByRole('button', { name: 'Show older entries' }).click();
    await page.locator('.entry').nth(before).waitFor();
    await reader.checkAccessibility('record');
  });

  it('is found whole by the browser, and fits a checkpoint that was kept', async () => {
    await using reader = await Reader.open(browser);
    const page = await openRecord(reader);
    const checkpoint = await saved(page, 'Save a checkpoint');
    assert.match(await check(page), /^The record is whole\.All [\d,]+ entries fit together/);
    await box.send({ app: 'smart-meter', to: PLACES.energy, count: 1 });
    await page.getByLabel('Compare with a checkpoint that you kept').setInputFiles(await checkpoint.path());
    assert.match(await check(page), /They also fit the checkpoint that you kept, of [\d,]+ entries\./);
    assert.deepEqual(reader.complaints, [], 'the policy of the page lets its own worker run');
  });

  it('does not fit a checkpoint that another key signed', async () => {
    await using reader = await Reader.open(browser);
    const page = await openRecord(reader);
    const file = await (await saved(page, 'Save a checkpoint')).path();
    const forged = readFileSync(file, 'utf8').replace(/\n(\d+)\n/, (_all, size) => `\n${Number(size) - 1}\n`);
    const copy = `${box.dataDir}/forged.txt`;
    writeFileSync(copy, forged);
    await page.getByLabel('Compare with a checkpoint that you kept').setInputFiles(copy);
    assert.match(await check(page), /The checkpoint was not signed by this record\./);
  });

  it('that was changed in the store is named by its entry', async () => {
    await using reader = await Reader.open(browser);
    const page = await openRecord(reader);
    const where = 'FROM ledger_entries WHERE text LIKE \'%"kind":"accepted"%\' LIMIT 1';
    tamper(
      `UPDATE ledger_entries SET text = replace(text, 'smart-meter', 'smart-meteR') WHERE entry = (SELECT entry ${where})`,
    );
    const verdict = await check(page);
    tamper(
      "UPDATE ledger_entries SET text = replace(text, 'smart-meteR', 'smart-meter') WHERE text LIKE '%smart-meteR%'",
    );
    assert.match(verdict, /^The record was changed\.The text of entry \d+ is not the one that was written\./);
    assert.match(await check(page), /^The record is whole\./);
  });

  it('tells of a rule that was made', async () => {
    await using reader = await Reader.open(browser);
    const page = await openRecord(reader);
    await box.ask('POST', '/owner/rules', { kind: 'block', destination: PLACES.ads });
    await page.getByText('You made a rule: everything to track.adnetwork.example/collect.').waitFor();
  });
});

it('the receipt of an export holds by itself, with the key of the log alone', async () => {
  await using reader = await Reader.open(browser);
  const page = await reader.signIn(box);
  await page.goto(`${box.url}/ui/#/exports?state=Finished`);
  await page.locator('.row').first().click();
  const download = await saved(page, 'Download the receipt');
  const id = /[0-9a-f-]{36}/.exec(page.url())?.[0];
  assert.equal(download.suggestedFilename(), `${id}.tlog-proof`);
  const { items } = await box.ask<{ items: { verifier_key: string }[] }>('GET', '/owner/ledger/logs');
  const verifiers = items.map((log) => parseVerifierKey(log.verifier_key));
  const { entry } = verifyReceipt(readFileSync(await download.path(), 'utf8'), verifiers);
  assert.deepEqual([JSON.parse(entry).export, JSON.parse(entry).state], [id, 'delivered']);
});
