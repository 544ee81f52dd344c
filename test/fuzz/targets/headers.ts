/** Values of headers and of the query: what is read of them is within its bounds, whatever they are. */
import assert from 'node:assert/strict';
import { presentedToken } from '../../../src/auth/credentials.ts';
import { parseRfc3339 } from '../../../src/auth/rfc3339.ts';
import { parseRetryAfter } from '../../../src/delivery/retry-after.ts';
import { requestPath } from '../../../src/http/request-path.ts';
import { longPollTimeoutMs, preferredWaitSeconds } from '../../../src/http/waiting.ts';
import type { FuzzTarget } from '../target.ts';

const LONG_POLL_MS_MAX = 300_000;

export function open(): FuzzTarget {
  return {
    seeds: [
      'respond-async, wait=30; foo="a,b"',
      'Wed, 21 Oct 2026 07:28:00 GMT',
      'Wednesday, 21-Oct-26 07:28:00 GMT',
      '120',
      '5.5e0',
      'inf',
      'Basic MDAxMTo=',
      'Bearer MDAxMWxvY2F0aW9u',
      '2999-12-31T23:59:59.999+14:00',
      'http://a.example/export?timeout=5',
    ].map((text) => Buffer.from(text)),
    dictionary: [
      'wait',
      '=',
      ';',
      ',',
      '"',
      '\\',
      'Basic ',
      'Bearer ',
      'GMT',
      '-',
      '+',
      'e',
      '.',
      'inf',
      'T',
      'Z',
      '{"',
      '}',
      ':',
      '?',
      '://',
    ],
    check(input) {
      // Node hands out the bytes of a header as Latin-1.
      const value = Buffer.from(input).toString('latin1');
      const timeoutMs = longPollTimeoutMs(value, LONG_POLL_MS_MAX);
      assert.ok(timeoutMs >= 0 && timeoutMs <= LONG_POLL_MS_MAX, `${timeoutMs}`);
      const seconds = preferredWaitSeconds(value);
      assert.ok(seconds === undefined || seconds >= 0);
      const retryMs = parseRetryAfter(value, Date.UTC(2026, 10, 24));
      assert.ok(retryMs === null || (Number.isFinite(retryMs) && retryMs >= 0));
      const time = parseRfc3339(value);
      assert.ok(time === undefined || Number.isSafeInteger(time));
      const token = presentedToken({ authorization: [value] });
      assert.ok(token === undefined || token.length > 0);
      assert.ok(!requestPath(value).includes('?'));
      const isRead = [seconds, retryMs ?? undefined, time, token].some((one) => one !== undefined);
      return isRead ? 'read' : 'left alone';
    },
  };
}
