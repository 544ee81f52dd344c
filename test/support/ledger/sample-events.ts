import type { EventOf, LedgerEvent } from '../../../src/ledger/entry.ts';
import { exportId } from './memory-ledger.ts';

const DIGEST = 'q1vVb0mG0bq0eZx1pYt0yJx2o3uXv5mQk8w9s0d1f2g';
const LANE = { app: 'sleep-app', destination: 'https://study.example/in' } as const;
const EXCHANGE = {
  address: '93.184.215.14',
  tls_fingerprint: '5e'.repeat(32),
  status: 200,
  error: null,
} as const;

export const ORIGIN = 'box.example/export/3f9c51d07a2be884';

/** One event of each kind, as the pages of docs/ledger.md show them. */
export const SAMPLES: { readonly [K in LedgerEvent['kind']]: EventOf<K> } = {
  log: {
    kind: 'log',
    format: 'databox-export-ledger@v1',
    origin: ORIGIN,
    reason: 'store_behind',
    previous: {
      origin: 'box.example/export/a07be2c9d4418f35',
      checkpoint:
        'box.example/export/a07be2c9d4418f35\n100\nL+mMnCNZyOVEc7wBY7gPQW0U0pGPz2nsNyQwnjNrY3k=\n\n— box.example/export/a07be2c9d4418f35 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n',
      kept: 80,
    },
  },
  start: { kind: 'start', version: '0.1.0' },
  accepted: {
    kind: 'accepted',
    export: exportId(1),
    ...LANE,
    bytes: 2048,
    digest: DIGEST,
    peer: '10.0.3.7',
  },
  redelivery: {
    kind: 'redelivery',
    export: exportId(2),
    ...LANE,
    redelivery_of: exportId(1),
    bytes: 2048,
    digest: DIGEST,
    by: 'owner',
  },
  attempt: {
    kind: 'attempt',
    export: exportId(1),
    ...LANE,
    number: 1,
    started_at: '2026-11-24T11:59:59.500Z',
    bytes: 2048,
    ...EXCHANGE,
  },
  outcome: {
    kind: 'outcome',
    export: exportId(1),
    ...LANE,
    state: 'delivered',
    bytes: 2048,
    digest: DIGEST,
    accepted_at: '2026-11-24T11:59:59.480Z',
    attempts: 1,
    ...EXCHANGE,
  },
  cancel: { kind: 'cancel', export: exportId(3), ...LANE, result: 'requested', by: 'owner' },
  rule: {
    kind: 'rule',
    change: 'added',
    rule: exportId(4),
    type: 'budget',
    app: 'sleep-app',
    destination: null,
    limit: 100_000,
    unit: 'bytes',
    per: 'day',
    by: 'owner',
  },
  key: { kind: 'key', purpose: 'root', change: 'fetched', public_key: null, by: null },
  refused: {
    kind: 'refused',
    minute: '2026-11-24T11:59:00.000Z',
    code: 'budget_exhausted',
    rule: exportId(4),
    ...LANE,
    others: false,
    count: 17,
    bytes: 34_816,
  },
  erasure: { kind: 'erasure', log: null, before: 0 },
};

export const KINDS = Object.keys(SAMPLES) as LedgerEvent['kind'][];

/** Event number `n` of a log that has some of everything. */
export function sampleEvent(n: number): LedgerEvent {
  const kind = KINDS[n % KINDS.length] ?? 'start';
  const event = SAMPLES[kind];
  return 'export' in event ? { ...event, export: exportId(n) } : event;
}
