/** What a verified token says: whatever it is, it is understood or refuses, in one line that can be shown. */
import assert from 'node:assert/strict';
import { parseCaveat } from '../../../src/auth/caveats.ts';
import { clearDestination, clearPoll, clearRequest, permitsDestination } from '../../../src/auth/clear.ts';
import { type Denial, SHOWN_CHARACTERS_MAX } from '../../../src/auth/denials.ts';
import type { FuzzTarget } from '../target.ts';

const ACCESS = { target: 'export-service', method: 'POST', path: '/export', now: Date.UTC(2026, 10, 24) };
const URL = 'https://a.example/in';
/** A refusal has a few sentences of ours and two quotations. */
const DETAIL_CHARACTERS_MAX = 4 * SHOWN_CHARACTERS_MAX + 400;

export function open(): FuzzTarget {
  return {
    seeds: [
      'target = export-service\nmethod = POST\npath = /export',
      `path = *\nmethod = *\ntarget = export-service\ndestination = ${URL}`,
      'time < 2999-12-31T23:59:59.999+14:00\ndata-bytes <= 4096',
      'time < 2026-11-24T00:00:00Z\npath = /owner/*\nmethod = get',
      'colour = red\ndestination = ',
    ].map((text) => Buffer.from(text)),
    dictionary: [
      ...['target', 'method', 'path', 'destination', 'time', 'data-bytes', ' = ', ' < ', ' <= ', '*', '\n'],
      ...[
        '9007199254740993',
        '2026-02-30',
        'T24:00:00Z',
        '-00:00',
        '\u202e',
        '\u2028',
        '\ud83d\ude00',
        'ſ',
        'ı',
      ],
    ],
    check(input) {
      const caveats = split(Buffer.from(input)).map((identifier) => parseCaveat({ identifier }));
      const denials = [
        clearRequest(caveats, ACCESS),
        clearDestination(caveats, { destination: URL, dataBytes: 10 }, true),
        clearPoll(caveats, true),
      ];
      for (const denial of denials) assertCanBeShown(denial);
      const isUnknown = caveats.some(({ kind }) => kind === 'unknown');
      assert.ok(
        !isUnknown || denials[0] !== undefined,
        'a caveat that nobody understands let a request pass',
      );
      if (denials.some((denial) => denial !== undefined)) return denials.find((denial) => denial)?.code ?? '';
      assert.ok(permitsDestination(caveats, URL) && !permitsDestination(caveats, `${URL}/`));
      return 'cleared';
    },
  };
}

function split(bytes: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let start = 0;
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, start)) {
    parts.push(bytes.subarray(start, at));
    start = at + 1;
  }
  return [...parts, bytes.subarray(start)];
}

function assertCanBeShown(denial: Denial | undefined): void {
  if (denial === undefined) return;
  assert.ok(denial.detail.length < DETAIL_CHARACTERS_MAX, `${denial.detail.length} characters`);
  assert.doesNotMatch(denial.detail, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  assert.ok(denial.detail.isWellFormed());
}
