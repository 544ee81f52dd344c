import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { LaneSum } from '../wire.ts';
import { daysUntil } from './days.ts';
import { appTotals, matching, totalOf } from './sums.ts';

function sum(app: string | null, destination: string, accepted: number, day = 1): LaneSum {
  const at = `2026-11-0${day}T12:00:00.000Z`;
  const outcomes = { delivered: accepted - 1, undeliverable: 0, blocked: 0, cancelled: 0, open: 1 };
  return { app, destination, accepted, outcomes, bytes: accepted * 10, first_at: at, last_at: at };
}

describe('sums by app', () => {
  const sums = [
    sum('sleep', 'https://a.example/', 2, 1),
    sum('sleep', 'https://a.example/', 3, 2),
    sum('sleep', 'https://b.example/', 9),
    sum('steps', 'https://a.example/', 4),
    sum(null, 'https://c.example/', 4),
  ];

  it('add up days, and have the busiest first', () => {
    const apps = appTotals(sums);
    assert.deepEqual(
      apps.map(({ app, accepted, lanes }) => [app, accepted, lanes.map((lane) => lane.accepted)]),
      [
        ['sleep', 14, [9, 5]],
        [null, 4, [4]],
        ['steps', 4, [4]],
      ],
    );
    assert.equal(apps[0]?.outcomes.open, 3);
    assert.equal(apps[0]?.lanes[1]?.lastAt, Date.UTC(2026, 10, 2, 12));
    assert.equal(totalOf(apps).bytes, 220);
  });

  it('are found by words of the app or the destination; the sums are then those of what was found', () => {
    const found = matching(appTotals(sums), ' SLEEP b.ex');
    assert.deepEqual(
      found.map(({ app, accepted }) => [app, accepted]),
      [['sleep', 9]],
    );
    assert.equal(matching(appTotals(sums), 'a.example').length, 2);
    assert.equal(matching(appTotals(sums), '  ').length, 3);
    assert.deepEqual(matching(appTotals(sums), 'nothing'), []);
  });
});

describe('days', () => {
  it('follow each other without a gap, the newest first and now in it', () => {
    const now = Date.UTC(2026, 10, 2, 9, 30);
    const days = daysUntil(now);
    assert.equal(days.length, 28);
    const [today] = days;
    assert.ok(today && today.start <= now && now < today.end);
    for (const [at, day] of days.entries()) {
      if (at > 0) assert.equal(day.end, days[at - 1]?.start);
      assert.equal(new Date(day.start).getHours(), 0);
    }
  });
});
