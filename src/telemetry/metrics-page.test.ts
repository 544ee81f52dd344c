import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { PROBLEM_KINDS } from '../http/problem.ts';
import { metricsPage } from './metrics-page.ts';

test('docs/metrics.md is what the registry makes (npm run docs writes it)', () => {
  const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
  assert.equal(page, metricsPage(Object.keys(PROBLEM_KINDS)));
});

test('the metrics page has a row for every kind, with its labels', () => {
  const page = metricsPage([]);
  for (const [name, type, labels] of [
    ['export_accepted_total', 'counter', ''],
    ['export_refused_total', 'counter', '`code`'],
    ['export_attempt_phase_seconds', 'histogram', '`phase`'],
    ['export_unfinished', 'gauge', '`state`'],
  ])
    assert.match(page, new RegExp(`^\\| \`${name}\` +\\| ${type} +\\| ${labels} +\\| .+\\. +\\|$`, 'm'));
});
