import assert from 'node:assert/strict';
import { it } from 'node:test';
import { exportHash, exportsHash, NO_FILTER, parseRoute } from './route.ts';

it('a filter survives its address, whatever is in it', () => {
  const filter = {
    app: 'sleep & <b>ünruh</b>',
    destination: 'https://a.example/in?x=1&y=#z',
    state: 'Pending',
  } as const;
  assert.deepEqual(parseRoute(exportsHash(filter)), { view: 'exports', filter });
  assert.deepEqual(parseRoute(exportsHash({})), { view: 'exports', filter: NO_FILTER });
  assert.deepEqual(parseRoute('#/exports?state=Broken'), { view: 'exports', filter: NO_FILTER });
});

it('an export has its own, and what is unknown is the overview', () => {
  assert.deepEqual(parseRoute(exportHash('a/b')), { view: 'export', id: 'a/b' });
  assert.deepEqual(parseRoute('#/exports/%E0%A4%A'), { view: 'export', id: '%E0%A4%A' });
  for (const hash of ['', '#', '#/', '#/nothing', '#code=abc'])
    assert.deepEqual(parseRoute(hash), { view: 'overview' });
  assert.deepEqual(parseRoute('#/rules'), { view: 'rules' });
});
