/** Reverse lookups: bounded, remembered, limited in time, and never waited for by who accepts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ManualClock } from '../../test/support/manual-clock.ts';
import {
  hasName,
  LOOKUP_MS_MAX,
  LOOKUPS_MAX,
  NAME_KEPT_MS,
  PEERS_MAX,
  PeerNames,
  peerText,
} from './peer-names.ts';

class Bench {
  readonly clock = new ManualClock();
  readonly asked: string[] = [];
  answer: () => Promise<readonly string[]> = async () => ['steps.databox'];
  readonly names = new PeerNames({
    reverse: (address) => {
      this.asked.push(address);
      return this.answer();
    },
    isOfBox: (address) => !address.startsWith('8.'),
    clock: this.clock,
  });
}

describe('PeerNames', () => {
  it('has no name at once, and has it the next time', async () => {
    const { names, asked } = new Bench();
    assert.equal(names.known('172.18.0.5'), null);
    await turn();
    assert.equal(names.known('172.18.0.5'), 'steps.databox');
    assert.deepEqual(asked, ['172.18.0.5']);
  });

  it('asks again after a while: another may have the address', async () => {
    const bench = new Bench();
    await bench.names.find('172.18.0.5');
    bench.answer = async () => ['other.databox'];
    bench.clock.advance(NAME_KEPT_MS - 1);
    assert.equal(await bench.names.find('172.18.0.5'), 'steps.databox');
    bench.clock.advance(1);
    assert.equal(bench.names.known('172.18.0.5'), null, 'an old name is not told');
    assert.equal(await bench.names.find('172.18.0.5'), 'other.databox');
  });

  it('an address has no name when the lookup fails, finds none, or says what is none', async () => {
    for (const answer of [
      async () => [],
      async () => ['', 'a b', '<b>', 'x'.repeat(254), '-a', 'a\n'],
      () => Promise.reject(new Error('ENOTFOUND')),
    ]) {
      const bench = new Bench();
      bench.answer = answer;
      assert.equal(await bench.names.find('10.0.0.1'), null);
      assert.equal(await bench.names.find('10.0.0.1'), null);
      assert.equal(bench.asked.length, 1, 'that too is remembered');
    }
  });

  it('a lookup that takes too long has found nothing', async () => {
    const bench = new Bench();
    bench.answer = () => new Promise(() => {});
    const found = bench.names.find('10.0.0.1');
    bench.clock.advance(LOOKUP_MS_MAX);
    assert.equal(await found, null);
    assert.equal(bench.clock.scheduled, 0);
  });

  it('asks once for all who want to know, and so many at a time', async () => {
    const bench = new Bench();
    bench.answer = () => new Promise(() => {});
    for (let n = 0; n < 3; n += 1) bench.names.known('10.0.0.1');
    assert.equal(bench.asked.length, 1);
    for (let n = 0; n < 2 * LOOKUPS_MAX; n += 1) bench.names.known(`10.0.1.${n}`);
    assert.equal(bench.asked.length, LOOKUPS_MAX);
    assert.equal(await bench.names.find('10.0.2.1'), null, 'none for now');
  });

  it('remembers so many, and those of the box only', async () => {
    const bench = new Bench();
    for (let n = 0; n <= PEERS_MAX; n += 1) await bench.names.find(`10.0.${n >> 8}.${n & 255}`);
    await bench.names.find('10.0.0.1');
    assert.equal(bench.asked.length, PEERS_MAX + 1);
    await bench.names.find('10.0.0.0');
    assert.equal(bench.asked.length, PEERS_MAX + 2);
    assert.equal(await bench.names.find('8.8.8.8'), null);
    assert.ok(!bench.asked.includes('8.8.8.8'));
  });
});

it('a submitter is shown with its name in brackets', () => {
  assert.equal(peerText('10.0.0.1', null), '10.0.0.1');
  assert.equal(peerText('10.0.0.1', 'steps'), '10.0.0.1 (steps)');
  assert.deepEqual([hasName('10.0.0.1'), hasName('10.0.0.1 (steps)')], [false, true]);
});
