/** Requests as bytes on a connection: each is answered or cut off, nothing is a mistake of ours, and the server goes on. */
import assert from 'node:assert/strict';
import { DESTINATION, HttpFixture, tokenWith } from '../../support/http/http-fixture.ts';
import type { FuzzTarget } from '../target.ts';

const TOKEN = tokenWith();
const BODY = JSON.stringify({ uri: DESTINATION, data: '{"a":1}' });
const HOST = 'host: export-service:8080\r\n';

function post(path: string, headers: string, body: string): string {
  return `POST ${path} HTTP/1.1\r\n${HOST}${headers}content-length: ${body.length}\r\n\r\n${body}`;
}

export async function open(): Promise<FuzzTarget> {
  const fixture = await HttpFixture.start({ limits: { pendingMax: Number.MAX_SAFE_INTEGER } });
  return {
    seeds: [
      post('/export', `x-api-key: ${TOKEN}\r\n`, BODY),
      post(
        '/lp/export?timeout=0',
        `authorization: Bearer ${TOKEN}\r\nprefer: wait=0\r\n`,
        `[${BODY},${BODY}]`,
      ),
      post('/export', `x-api-key: ${TOKEN}\r\nexpect: 100-continue\r\n`, BODY),
      `POST /export HTTP/1.1\r\n${HOST}x-api-key: ${TOKEN}\r\ntransfer-encoding: chunked\r\n\r\n${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`,
      `GET /status HTTP/1.1\r\n${HOST}\r\nGET /readyz HTTP/1.0\r\n\r\n`,
      `GET /.well-known/export-signing-keys HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`,
    ].map((text) => Buffer.from(text, 'latin1')),
    dictionary: [
      ...[
        '\r\n',
        '\r\n\r\n',
        ' HTTP/1.1',
        ' HTTP/1.0',
        'GET ',
        'POST ',
        'CONNECT a:1',
        'OPTIONS *',
        'PRI * HTTP/2.0',
        '/export',
        '//',
        '%00',
        '%2e',
      ],
      ...[
        'host: a\r\n',
        'content-length: 0\r\n',
        'content-length: 99\r\n',
        'transfer-encoding: chunked\r\n',
        '0\r\n\r\n',
        'x-api-key: a\r\n',
      ],
      ...[
        'upgrade: websocket\r\n',
        'connection: upgrade\r\n',
        'expect: x\r\n',
        '\0',
        '\x80',
        '\ud83d\ude00',
        ' ',
        '\t',
      ],
    ],
    async check(input) {
      const answer = await exchange(fixture, input);
      assert.deepEqual(fixture.unexpected, []);
      assert.ok(answer === '' || answer.startsWith('HTTP/1.1 '), answer.slice(0, 200));
      assert.doesNotMatch(answer, /^HTTP\/1\.1 50[02]/m);
      const [status = 'cut off'] = /(?<=^HTTP\/1\.1 )\d{3}/.exec(answer) ?? [];
      return status;
    },
    close: () => fixture[Symbol.asyncDispose](),
  };
}

async function exchange(fixture: HttpFixture, bytes: Uint8Array): Promise<string> {
  const socket = await fixture.connect();
  socket.on('error', () => {});
  socket.end(bytes);
  let answer = '';
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.setEncoding('latin1').on('data', (text: string) => {
    answer += text;
  });
  await closed;
  return answer;
}
