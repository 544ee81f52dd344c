import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { settingsPage } from './page.ts';
import { SETTING_KEYS, settingOf } from './settings.ts';

test('docs/settings.md is what the table of settings makes (npm run docs writes it)', () => {
  assert.equal(readFileSync(new URL('../../docs/settings.md', import.meta.url), 'utf8'), settingsPage());
});

test('the settings page has a row for every setting, with its flags and its variable', () => {
  const rows = settingsPage()
    .split('\n')
    .filter((line) => line.startsWith('| `-'));
  assert.equal(rows.length, SETTING_KEYS.length);
  for (const key of SETTING_KEYS) {
    const { flags, env } = settingOf(key);
    assert.ok(
      rows.some((row) => row.includes(`\`${env}\``) && flags.every((flag) => row.includes(`\`${flag}\``))),
      key,
    );
  }
});

test('no cell of the settings page is broken by a bar', () => {
  for (const row of settingsPage()
    .split('\n')
    .filter((line) => line.startsWith('|'))) {
    assert.equal(row.split('|').length, 7, row);
  }
});
