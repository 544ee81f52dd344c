import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exportId, NOON } from '../../test/support/ledger/memory-ledger.ts';
import { KINDS, SAMPLES } from '../../test/support/ledger/sample-events.ts';
import { DisclosureAccount, SEEN_MAX } from './disclosures.ts';
import type { LedgerEvent } from './entry.ts';

function account(...events: readonly LedgerEvent[]) {
  const made = new DisclosureAccount();
  for (const [n, event] of events.entries())
    made.add({ n, time: new Date(NOON + n).toISOString(), salt: '', ...event });
  return made.disclosures();
}

const attempt = (change: Partial<typeof SAMPLES.attempt>) => ({ ...SAMPLES.attempt, ...change });

describe('the account of what left the box', () => {
  it('has a line for each app and destination: who, what, where, when, how much, how often', () => {
    assert.deepEqual(account(...KINDS.map((kind) => SAMPLES[kind])), [
      {
        app: 'sleep-app',
        destination: 'https://study.example/in',
        accepted: 2,
        outcomes: { delivered: 1, undeliverable: 0, blocked: 0, cancelled: 0 },
        sent: 1,
        unknown: 0,
        bytes: 2_048,
        refused: 17,
        firstSentAt: new Date(NOON + 4).toISOString(),
        lastSentAt: new Date(NOON + 4).toISOString(),
        addresses: new Set(['93.184.215.14']),
        tlsFingerprints: new Set(['5e'.repeat(32)]),
      },
    ]);
  });

  it('counts every try after which the payload may be out, also one that nobody knows the end of', () => {
    const [line] = account(
      attempt({ bytes: 0, address: null, tls_fingerprint: null, status: null, error: 'dns_failed' }),
      attempt({ number: 2, bytes: 100, status: 503, error: 'http_status' }),
      attempt({ number: 3, bytes: null, status: null, error: 'answer_unknown' }),
      attempt({ number: 4, bytes: 100 }),
    );
    assert.deepEqual([line?.sent, line?.unknown, line?.bytes], [3, 1, 200]);
    assert.deepEqual(
      [line?.firstSentAt, line?.lastSentAt],
      [1, 3].map((n) => new Date(NOON + n).toISOString()),
    );
  });

  it('lists the certificates of whom it was sent to, and none that was refused', () => {
    const [line] = account(
      attempt({ bytes: 0, tls_fingerprint: 'aa'.repeat(32), status: null, error: 'tls_failed' }),
      attempt({ number: 2, tls_fingerprint: 'bb'.repeat(32) }),
    );
    assert.deepEqual(line?.tlsFingerprints, new Set(['bb'.repeat(32)]));
  });

  it('of what never left says so', () => {
    const cancelled = { ...SAMPLES.outcome, state: 'cancelled', attempts: 0 } as const;
    const [line] = account(SAMPLES.accepted, cancelled);
    assert.deepEqual([line?.accepted, line?.outcomes.cancelled, line?.sent, line?.bytes], [1, 1, 0, 0]);
    assert.deepEqual([line?.firstSentAt, line?.addresses.size], [null, 0]);
  });

  it('keeps apps and destinations apart, and apps without a name from those with one', () => {
    const lanes = [
      { app: null, destination: 'a' },
      { app: 'null', destination: 'a' },
      { app: '', destination: 'a' },
      { app: null, destination: 'b' },
    ];
    const lines = account(...lanes.map((lane, n) => ({ ...SAMPLES.accepted, ...lane, export: exportId(n) })));
    assert.deepEqual(
      lines.map(({ app, destination }) => ({ app, destination })),
      lanes,
    );
  });

  it('does not grow with a destination that shows ever new addresses', () => {
    const [line] = account(
      ...Array.from({ length: SEEN_MAX + 9 }, (_, n) => attempt({ address: `10.0.0.${n}` })),
    );
    assert.equal(line?.addresses.size, SEEN_MAX);
    assert.equal(line?.sent, SEEN_MAX + 9);
  });
});
