import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { OwnedExport } from '../wire.ts';
import { append, EMPTY_LIST, renewHead, replace } from './export-list.ts';
import { standingOf } from './standing.ts';

function job(id: string, changes: Partial<OwnedExport> = {}): OwnedExport {
  return {
    id,
    app: 'a',
    peer: null,
    destination: 'https://x.example/',
    state: 'Pending',
    outcome: null,
    bytes: 1,
    accepted_at: '2026-11-24T12:00:00.000Z',
    finished_at: null,
    attempts: [],
    held_by: null,
    redelivery_of: null,
    ...changes,
  };
}

const jobs = (ids: string) => [...ids].map((id) => job(id));
const idsOf = ({ items }: { items: readonly OwnedExport[] }) => items.map(({ id }) => id).join('');

describe('a list of exports', () => {
  const loaded = append(append(EMPTY_LIST, { items: jobs('fed'), next: '4' }), {
    items: jobs('cba'),
    next: null,
  });

  it('grows at its end, and shows nothing twice', () => {
    assert.equal(idsOf(loaded), 'fedcba');
    assert.equal(idsOf(append(loaded, { items: jobs('a0'), next: null })), 'fedcba0');
  });

  it('takes new ones in front and keeps what was read below', () => {
    const renewed = renewHead(loaded, { items: jobs('hgf'), next: '6' });
    assert.equal(idsOf(renewed), 'hgfedcba');
    assert.equal(renewed.next, null);
  });

  it('lets go of what has left the first page, such as one that does not fit the filter any more', () => {
    assert.equal(idsOf(renewHead(loaded, { items: jobs('fdc'), next: '3' })), 'fdcba');
  });

  it('begins anew when more came than a page holds, or when the page is all there is', () => {
    const many = renewHead(loaded, { items: jobs('zyx'), next: '24' });
    assert.deepEqual([idsOf(many), many.next], ['zyx', '24']);
    assert.equal(idsOf(renewHead(loaded, { items: jobs('fe'), next: null })), 'fe');
    assert.equal(idsOf(renewHead(loaded, { items: [], next: null })), '');
  });

  it('takes in the new state of one, and no stranger', () => {
    const changed = replace(loaded, job('d', { state: 'Finished', outcome: 'delivered' }));
    assert.equal(changed.items[2]?.outcome, 'delivered');
    assert.equal(replace(loaded, job('q')), loaded);
  });
});

describe('how an export stands', () => {
  const attempt = {
    number: 1,
    started_at: '',
    ended_at: '',
    address: null,
    status: null,
    error: { code: 'timeout', detail: '' },
  };
  const answered = (status: number) => ({ ...attempt, status, error: null });
  for (const [standing, changes] of [
    ['queued', {}],
    ['held', { held_by: '1' }],
    ['held', { held_by: '1', state: 'Processing', attempts: [attempt] }],
    ['sending', { state: 'Processing' }],
    ['retrying', { state: 'Processing', attempts: [attempt] }],
    ['arrived', { outcome: 'delivered', attempts: [attempt, answered(201)] }],
    ['declined', { outcome: 'delivered', attempts: [answered(404)] }],
    ['declined', { outcome: 'delivered', attempts: [answered(302)] }],
    ['failed', { outcome: 'undeliverable', attempts: [attempt] }],
    ['blocked', { outcome: 'blocked' }],
    ['cancelled', { outcome: 'cancelled' }],
  ] as const) {
    it(`${JSON.stringify(changes)} is ${standing}`, () =>
      assert.equal(standingOf(job('a', changes as Partial<OwnedExport>)), standing));
  }
});
