import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { scaledAlerts } from './scaled-alerts.ts';

it('waits and windows are shorter, windows not below what a rate needs, and all else is as it was', () => {
  const rules = [
    '      - alert: One',
    '        expr: rate(a_total[5m]) > 6 * 3600 and deriv(b[1h]) > 0',
    '        for: 15m',
  ];
  assert.deepEqual(scaledAlerts(rules.join('\n'), 0.1).split('\n'), [
    '      - alert: One',
    '        expr: rate(a_total[30s]) > 6 * 3600 and deriv(b[360s]) > 0',
    '        for: 90s',
  ]);
  assert.match(scaledAlerts(rules.join('\n'), 0.001), /a_total\[10s\].*for: 1s/s);
});

it('of the rules that we ship no wait and no window is left as it was', () => {
  const rules = readFileSync(new URL('../../packaging/prometheus/alerts.yml', import.meta.url), 'utf8');
  assert.match(rules, /for: \d+m/);
  assert.doesNotMatch(scaledAlerts(rules, 0.1), /for: \d+[mh]|\[\d+[mh]\]/);
});
