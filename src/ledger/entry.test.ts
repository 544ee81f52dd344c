import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { NOON } from '../../test/support/ledger/memory-ledger.ts';
import { KINDS, SAMPLES } from '../../test/support/ledger/sample-events.ts';
import {
  ENTRY_BYTES_MAX,
  type EntryFrame,
  entryText,
  eventText,
  type LedgerEvent,
  parseEntry,
} from './entry.ts';
import { NAME_LENGTH_MAX } from './entry-fields.ts';
import { MalformedLedgerError } from './malformed-ledger-error.ts';
import { Salts } from './salts.ts';

const FRAME: EntryFrame = { n: 7, time: new Date(NOON).toISOString(), salt: 'AbCdEfGhIjKlMn-_' };

const written = (event: LedgerEvent): string => entryText(FRAME, eventText(event));

/** The text of each kind, written out: what is on record for good, so a change here is a change of the format. */
const TEXTS: { readonly [K in LedgerEvent['kind']]: string } = {
  log: '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"log","format":"databox-export-ledger@v1","origin":"box.example/export/3f9c51d07a2be884","reason":"store_behind","previous":{"origin":"box.example/export/a07be2c9d4418f35","checkpoint":"box.example/export/a07be2c9d4418f35\\n100\\nL+mMnCNZyOVEc7wBY7gPQW0U0pGPz2nsNyQwnjNrY3k=\\n\\n— box.example/export/a07be2c9d4418f35 Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\\n","kept":80},"salt":"AbCdEfGhIjKlMn-_"}',
  start:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"start","version":"0.1.0","salt":"AbCdEfGhIjKlMn-_"}',
  accepted:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"accepted","export":"019ab3f2-7c00-7000-8000-000000000001","app":"sleep-app","destination":"https://study.example/in","bytes":2048,"digest":"q1vVb0mG0bq0eZx1pYt0yJx2o3uXv5mQk8w9s0d1f2g","peer":"10.0.3.7","salt":"AbCdEfGhIjKlMn-_"}',
  redelivery:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"redelivery","export":"019ab3f2-7c00-7000-8000-000000000002","app":"sleep-app","destination":"https://study.example/in","redelivery_of":"019ab3f2-7c00-7000-8000-000000000001","bytes":2048,"digest":"q1vVb0mG0bq0eZx1pYt0yJx2o3uXv5mQk8w9s0d1f2g","by":"owner","salt":"AbCdEfGhIjKlMn-_"}',
  attempt:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"attempt","export":"019ab3f2-7c00-7000-8000-000000000001","app":"sleep-app","destination":"https://study.example/in","number":1,"started_at":"2026-11-24T11:59:59.500Z","bytes":2048,"address":"93.184.215.14","tls_fingerprint":"5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e","status":200,"error":null,"salt":"AbCdEfGhIjKlMn-_"}',
  outcome:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"outcome","export":"019ab3f2-7c00-7000-8000-000000000001","app":"sleep-app","destination":"https://study.example/in","state":"delivered","bytes":2048,"digest":"q1vVb0mG0bq0eZx1pYt0yJx2o3uXv5mQk8w9s0d1f2g","accepted_at":"2026-11-24T11:59:59.480Z","attempts":1,"address":"93.184.215.14","tls_fingerprint":"5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e5e","status":200,"error":null,"salt":"AbCdEfGhIjKlMn-_"}',
  cancel:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"cancel","export":"019ab3f2-7c00-7000-8000-000000000003","app":"sleep-app","destination":"https://study.example/in","result":"requested","by":"owner","salt":"AbCdEfGhIjKlMn-_"}',
  rule: '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"rule","change":"added","rule":"019ab3f2-7c00-7000-8000-000000000004","type":"budget","app":"sleep-app","destination":null,"limit":100000,"unit":"bytes","per":"day","by":"owner","salt":"AbCdEfGhIjKlMn-_"}',
  key: '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"key","purpose":"root","change":"fetched","public_key":null,"by":null,"salt":"AbCdEfGhIjKlMn-_"}',
  refused:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"refused","minute":"2026-11-24T11:59:00.000Z","code":"budget_exhausted","rule":"019ab3f2-7c00-7000-8000-000000000004","app":"sleep-app","destination":"https://study.example/in","others":false,"count":17,"bytes":34816,"salt":"AbCdEfGhIjKlMn-_"}',
  erasure:
    '{"n":7,"time":"2026-11-24T12:00:00.000Z","kind":"erasure","log":null,"before":0,"salt":"AbCdEfGhIjKlMn-_"}',
};

/** Words of which none may ever be a field: an entry is shown to others, and cannot be taken back. */
const NEVER = /token|secret|password|payload|data"|body|answer|note|detail|macaroon|idempotency/;

describe('an entry', () => {
  for (const kind of KINDS) {
    it(`of kind ${kind} has this very text, and is read from it`, () => {
      const text = written(SAMPLES[kind]);
      assert.equal(text, TEXTS[kind]);
      assert.deepEqual(parseEntry(text), { ...FRAME, ...SAMPLES[kind] });
      const fields = Object.keys(parseEntry(text)).join('" ');
      assert.doesNotMatch(fields, NEVER);
    });

    it(`of kind ${kind} with a field missing, doubled, added, moved or of another type is malformed`, () => {
      const entry = JSON.parse(TEXTS[kind]) as Record<string, unknown>;
      const fields = Object.keys(entry);
      for (const field of fields) {
        const { [field]: value, ...rest } = entry;
        assertMalformed(JSON.stringify(rest), `without ${field}`);
        assertMalformed(
          JSON.stringify({ ...rest, [field]: value }),
          `${field} last`,
          field === fields.at(-1),
        );
        assertMalformed(JSON.stringify({ [field]: value, ...rest }), `${field} first`, field === fields[0]);
        const doubled = `{${JSON.stringify(field)}:${JSON.stringify(value)},${TEXTS[kind].slice(1)}`;
        assertMalformed(doubled, `${field} twice`);
        for (const wrong of [undefined, true, 0.5, -1, 2 ** 53, [], {}, '\u0000'.repeat(9_000), '€'])
          assertMalformed(
            JSON.stringify({ ...entry, [field]: wrong }),
            `${field} ${wrong}`,
            mayHold(field, wrong),
          );
      }
      assertMalformed(JSON.stringify({ ...entry, extra: 1 }), 'another field');
    });
  }

  /** What some of the wrong values are not wrong for. */
  function mayHold(field: string, value: unknown): boolean {
    return (
      (field === 'others' && value === true) ||
      (value === '€' &&
        ['app', 'destination', 'by', 'origin', 'version', 'public_key', 'log'].includes(field))
    );
  }

  function assertMalformed(text: string, why: string, isFine = false): void {
    if (isFine) assert.ok(parseEntry(text), why);
    else assert.throws(() => parseEntry(text), MalformedLedgerError, why);
  }

  for (const [why, change] of [
    ['a blank', (text: string) => text.replace(':', ': ')],
    ['a newline at its end', (text: string) => `${text}\n`],
    ['a byte order mark', (text: string) => `\ufeff${text}`],
    ['a letter spelled as an escape', (text: string) => text.replace('sleep', '\\u0073leep')],
    ['a number with a fraction', (text: string) => text.replace('2048', '2048.0')],
    ['a number with an exponent', (text: string) => text.replace('2048', '2048e0')],
    ['minus zero', (text: string) => text.replace('2048', '-0')],
    ['a kind that is not known', (text: string) => text.replace('accepted', 'forgotten')],
    ['a kind that every object has', (text: string) => text.replace('accepted', 'constructor')],
    ['a day that there is not', (text: string) => text.replace('11-24', '11-31')],
    ['a time in another zone', (text: string) => text.replace('000Z', '000+00:00')],
    ['seconds without their fraction', (text: string) => text.replace('.000Z', 'Z')],
    ['an id in capitals', (text: string) => text.replace('019ab3f2', '019AB3F2')],
  ] as const) {
    it(`with ${why} is malformed`, () => {
      const changed = change(TEXTS.accepted);
      assert.notEqual(changed, TEXTS.accepted);
      assertMalformed(changed, why);
    });
  }

  for (const text of [
    '',
    'null',
    '[]',
    '1',
    '"a"',
    '{',
    '{}',
    '{"kind":null}',
    '{"__proto__":{"kind":"start"}}',
  ])
    it(`${text || 'of nothing'} is malformed`, () => assertMalformed(text, text));

  it('a name may hold anything: what is read is what was written, and there are no two texts for it', () => {
    // Lone halves of surrogate pairs are among them.
    const anyUnit = fc.nat(0xffff).map((code) => String.fromCharCode(code));
    const names = fc.oneof(fc.string({ unit: anyUnit }), fc.string({ unit: 'grapheme' }));
    fc.assert(
      fc.property(names, names, (app, destination) => {
        const event: LedgerEvent = { ...SAMPLES.accepted, app, destination };
        const text = written(event);
        assert.ok(!/[\n\r]/.test(text));
        assert.deepEqual(parseEntry(text), { ...FRAME, ...event });
        assert.equal(Buffer.from(text).toString(), text, 'survives UTF-8');
      }),
    );
  });

  it('with the longest names in their worst spelling fits into the bound', () => {
    const longest = '\u0000'.repeat(NAME_LENGTH_MAX);
    const text = written({ ...SAMPLES.rule, app: longest, destination: longest, by: longest });
    assert.ok(Buffer.byteLength(text) <= ENTRY_BYTES_MAX);
    const tooLong = { ...SAMPLES.rule, app: `${longest}a` };
    assert.throws(() => written(tooLong), /"app"/);
  });

  it('is not written with fields that its kind does not have', () => {
    const event = { ...SAMPLES.start, token: 'secret' } as LedgerEvent;
    assert.equal(written(event), TEXTS.start);
  });
});

describe('docs/ledger.md', () => {
  const page = readFileSync(new URL('../../docs/ledger.md', import.meta.url), 'utf8');
  const examples = page.split('\n').filter((line) => line.startsWith('{"n":'));

  it('shows an entry of each kind, as it would be written', () => {
    const kinds = examples.map((example) => parseEntry(example).kind);
    assert.deepEqual(kinds.toSorted(), KINDS.toSorted());
  });
});

describe('salts', () => {
  it('have 12 bytes, and none comes twice', () => {
    const salts = new Salts();
    const drawn = Array.from({ length: 2_000 }, () => salts.next());
    assert.equal(new Set(drawn).size, drawn.length);
    for (const salt of drawn) assert.match(salt, /^[A-Za-z0-9_-]{16}$/);
  });
});
