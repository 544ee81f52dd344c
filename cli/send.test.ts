/** The command against a real HTTP server that answers as it is told. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import {
  type FakeService,
  type Judge,
  type Reply,
  startFakeService,
} from '../client/support/fake-service.ts';
import type { Env } from '../src/config.ts';
import { capturedIo, runMain } from '../test/support/captured-io.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';
import { run, type SendParts } from './send.ts';

const TO = 'https://lab.example/in';

/** A service that takes everything and lets it end as it is told; the id of an export says what its data is. */
function service(end: (data: string) => Reply, judge: Judge = () => 'accept' as never): Promise<FakeService> {
  return startFakeService(async (request) => {
    const { id, data } = request.body as { id?: string; data?: string };
    const judged = (await judge(request)) as Reply | 'accept';
    if (judged !== 'accept') return judged;
    if (id === undefined) return { json: { id: idOf(data ?? ''), state: 'Pending', ext_response: {} } };
    return end(Buffer.from(id.slice(3), 'base64url').toString());
  });
}

function idOf(data: string): string {
  return `id-${Buffer.from(data).toString('base64url')}`;
}

function ended(data: string, status = '200 OK', more: object = {}): Reply {
  return { json: { id: idOf(data), state: 'Finished', ext_response: { status, body: 'thanks', ...more } } };
}

const delivered = (data: string): Reply => ended(data);

function problem(status: number, code: string, detail: string): Reply {
  return { status, json: { status, code, detail } };
}

function submissions({ seen }: FakeService): { data: string; key: string }[] {
  return seen
    .filter(({ body }) => (body as { id?: string }).id === undefined)
    .map(({ body, headers }) => ({
      data: (body as { data: string }).data,
      key: String(headers['idempotency-key']),
    }));
}

class Folder implements Disposable {
  readonly #directory = new TemporaryDirectory();

  put(name: string, text: string): string {
    const path = `${this.#directory.path}/${name}`;
    writeFileSync(path, text);
    return path;
  }

  get path(): string {
    return this.#directory.path;
  }

  get names(): string[] {
    return readdirSync(this.#directory.path).sort();
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

function send({ url }: FakeService, args: readonly string[], input = '', env: Env = {}) {
  return runMain(['send', '--to', TO, '--url', url, '--token', 't', ...args], env, input);
}

test('files are exported byte for byte, and the result is told', async () => {
  await using fake = await service(delivered);
  using folder = new Folder();
  const day = folder.put('day.json', '{\n  "celsius": 36.60\n}\n');
  const lines = folder.put('lines.ndjson', '1\n{"b":  2}\n');
  const result = await send(fake, [day, lines]);
  assert.deepEqual([result.code, result.stderr], [0, '']);
  assert.match(result.stdout, /^3 exports delivered, in .+\n$/);
  assert.deepEqual(
    submissions(fake)
      .map(({ data }) => data)
      .sort(),
    ['1', '{\n  "celsius": 36.60\n}\n', '{"b":  2}'],
  );
  assert.deepEqual(folder.names, ['day.json', 'lines.ndjson']);
});

test('without waiting the ids come in the order of the input, however they are accepted', async () => {
  const open: (() => void)[] = [];
  await using fake = await service(delivered, async () => {
    // Held until four are there, and then answered last first.
    const turn = new Promise<void>((resolve) => open.push(resolve));
    if (open.length % 4 === 0) for (const go of open.splice(0).toReversed()) go();
    await turn;
    return 'accept' as never;
  });
  const result = await send(fake, ['--no-wait', '--concurrency', '4'], '1\n2\n3\n4\n5\n6\n7\n8\n');
  assert.equal(result.code, 0);
  assert.deepEqual(
    result.stdout.trim().split('\n'),
    [1, 2, 3, 4, 5, 6, 7, 8].map((data) => idOf(String(data))),
  );
  assert.match(result.stderr, /^8 exports accepted/);
});

test('with --json every export is a line, those that failed too', async () => {
  await using fake = await service(
    (data) =>
      data === '2'
        ? ended(data, '504 Gateway Timeout', { error: { code: 'timeout', detail: 'No answer.' } })
        : ended(data, data === '3' ? '404 Not Found' : '200 OK'),
    ({ body }) =>
      (body as { data?: string }).data === '4'
        ? problem(413, 'payload_too_large', 'Too large.')
        : ('accept' as never),
  );
  const result = await send(fake, ['--json', '--concurrency', '1'], '1\n2\n3\n4\noops\n');
  assert.equal(result.code, 1);
  const told = result.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  assert.deepEqual(told[0], {
    input: '-',
    line: 1,
    id: idOf('1'),
    state: 'Finished',
    ext_response: { status: '200 OK', body: 'thanks' },
  });
  assert.deepEqual(told[1].ext_response.error, { code: 'timeout', detail: 'No answer.' });
  assert.equal(told[2].ext_response.status, '404 Not Found');
  assert.deepEqual(told[3], {
    input: '-',
    line: 4,
    error: { code: 'payload_too_large', detail: 'Too large.' },
  });
  assert.deepEqual(told[4], {
    input: '-',
    line: 5,
    error: { code: 'invalid_json', detail: 'it is not JSON' },
  });
  assert.match(result.stderr, /stdin line 2: No answer\. \(timeout\)/);
  assert.match(result.stderr, /stdin line 3: the destination answered 404 Not Found: thanks/);
  assert.match(result.stderr, /1 export delivered, 4 failed/);
});

test('what failed is sent again by another run, as another export, and nothing else', async () => {
  let isDown = true;
  await using fake = await service((data) =>
    data === '2' && isDown ? ended(data, '400 Bad Request') : delivered(data),
  );
  using folder = new Folder();
  const file = folder.put('x.ndjson', '1\n2\n3\n');
  const first = await send(fake, [file]);
  assert.equal(first.code, 1);
  assert.match(first.stderr, /line 2: the destination answered 400/);
  assert.match(first.stderr, /Run the same command again to send what was not delivered/);
  assert.equal(folder.names.length, 2);

  isDown = false;
  const second = await send(fake, [file]);
  assert.equal(second.code, 0);
  assert.match(second.stdout, /^1 export delivered, 2 already by an earlier run/);
  assert.deepEqual(folder.names, ['x.ndjson']);
  const twos = submissions(fake).filter(({ data }) => data === '2');
  assert.equal(submissions(fake).length, 4);
  assert.notEqual(twos[0]?.key, twos[1]?.key);
});

/** Runs as `send` does, but every wait ends the run, as Ctrl-C would. */
async function interrupted({ url }: FakeService, args: readonly string[]): Promise<Error> {
  const parts: SendParts = {
    now: Date.now,
    steady: () => 0,
    sleep: () => Promise.reject(new Error('Stopped.')),
  };
  const all = ['--to', TO, '--url', url, '--token', 't', '--concurrency', '1', ...args];
  return run(all, {}, capturedIo(), parts).then(
    () => assert.fail('it came to its end'),
    (error) => error,
  );
}

test('an answer that was lost in the interruption is asked for again, under the same key', async () => {
  let isLost = true;
  await using fake = await service(delivered, ({ body }) =>
    isLost && (body as { data?: string }).data === '2' ? 'cut off' : ('accept' as never),
  );
  using folder = new Folder();
  const file = folder.put('x.ndjson', '1\n2\n3\n');
  const { message } = await interrupted(fake, [file]);
  assert.match(message, /^Stopped\. 1 export delivered so far\. Run the same command again/);

  isLost = false;
  const result = await send(fake, [file, '--concurrency', '1']);
  assert.equal(result.code, 0);
  const [one, lost, again, three] = submissions(fake);
  assert.deepEqual([one?.data, lost?.data, again?.data, three?.data], ['1', '2', '2', '3']);
  assert.equal(again?.key, lost?.key);
  assert.equal(new Set(submissions(fake).map(({ key }) => key)).size, 3);
});

test('an export that was accepted before the interruption is only waited for', async () => {
  let isLost = true;
  await using fake = await service((data) => (isLost ? 'cut off' : delivered(data)));
  using folder = new Folder();
  const file = folder.put('x.json', '{"a": 1}');
  await interrupted(fake, [file]);
  isLost = false;
  assert.equal((await send(fake, [file])).code, 0);
  assert.equal(submissions(fake).length, 1);
});

test('a refusal that holds for all ends the run at once, and says what to do', async () => {
  await using fake = await service(delivered, () => problem(401, 'invalid_token', 'It does not match.'));
  using folder = new Folder();
  const file = folder.put('x.ndjson', Array.from({ length: 100 }, (_, n) => `${n}\n`).join(''));
  const result = await send(fake, [file, '--concurrency', '2']);
  assert.deepEqual([result.code, result.stdout], [1, '']);
  assert.match(result.stderr, /refuses \(invalid_token\): It does not match\. export-service token inspect/);
  assert.ok(fake.seen.length <= 2);
});

test('a token file is read again when the token is refused', async () => {
  using folder = new Folder();
  const file = folder.put('token', 'old');
  await using fake = await service(delivered, ({ headers }) => {
    if (headers['x-api-key'] === 'new') return 'accept' as never;
    writeFileSync(file, 'new\n');
    return problem(401, 'invalid_token', 'It ran out.');
  });
  const args = ['send', '--to', TO, '--url', fake.url, '--token-file', file];
  assert.equal((await runMain(args, {}, '1')).code, 0);
  assert.equal((await runMain(args.slice(0, -2), { EXPORT_TOKEN_FILE: file }, '1')).code, 0);
});

test('address and token come from the environment too', async () => {
  await using fake = await service(delivered);
  const env = { EXPORT_URL: fake.url, EXPORT_TOKEN: 'from the environment' };
  assert.equal((await runMain(['send', '--to', TO, '-'], env, '1')).code, 0);
  assert.equal(fake.seen[0]?.headers['x-api-key'], 'from the environment');
});

test('stdin can be gone on with where its journal is named', async () => {
  let isDown = true;
  await using fake = await service((data) =>
    isDown && data === '2' ? ended(data, '400 Bad Request') : delivered(data),
  );
  using folder = new Folder();
  const journal = `${folder.put('x', '')}.journal`;
  assert.equal((await send(fake, ['--journal', journal], '1\n2\n')).code, 1);
  isDown = false;
  const result = await send(fake, ['--journal', journal], '1\n2\n');
  assert.match(result.stdout, /^1 export delivered, 1 already/);
  assert.equal(existsSync(journal), false);
});

test('--fresh forgets an earlier run, and --no-journal keeps none', async () => {
  await using fake = await service((data) => ended(data, '400 Bad Request'));
  using folder = new Folder();
  const file = folder.put('x.json', '1');
  await send(fake, [file, '--no-journal']);
  assert.deepEqual(folder.names, ['x.json']);
  await send(fake, [file]);
  const [journal = ''] = folder.names.filter((name) => name.endsWith('.send-journal'));
  const seedOf = () =>
    JSON.parse(readFileSync(`${folder.path}/${journal}`, 'utf8').split('\n')[0] ?? '').seed;
  const seed = seedOf();
  await send(fake, [file]);
  assert.equal(seedOf(), seed);
  await send(fake, [file, '--fresh']);
  assert.notEqual(seedOf(), seed);
});

test('more failures than a screen takes are counted, and the rest left to --json', async () => {
  await using fake = await service((data) => ended(data, '400 Bad Request'));
  const result = await send(fake, [], Array.from({ length: 30 }, (_, n) => `${n}\n`).join(''));
  assert.equal(result.stderr.split('\n').filter((line) => line.startsWith('✗')).length, 20);
  assert.match(result.stderr, /Only the first 20 failures are shown/);
  assert.match(result.stdout, /0 exports delivered, 30 failed/);
});

test('wrong usage is told in one line, exit code 2, and nothing is sent', async () => {
  using folder = new Folder();
  const file = folder.put('x.json', '1');
  for (const [args, message] of [
    [['send', file], /--to is missing/],
    [['send', '--to', TO, file], /there is no token.*token mint --destination https:\/\/lab\.example\/in/],
    [['send', '--to', TO, '--token', 't', '--token-file', 'f', file], /both given/],
    [['send', '--to', TO, '--token-file', '/no/such', file], /--token-file: \/no\/such cannot be read/],
    [['send', '--to', TO, '--token', 't', '--url', 'localhost:1', file], /--url is no address of a service/],
    [
      ['send', '--to', TO, '--token', 't', '--concurrency', '0', file],
      /--concurrency must be a whole number/,
    ],
    [['send', '--to', TO, '--token', 't', '--concurrency', '1001', file], /from 1 to 1000/],
    [['send', '--to', TO, '--token', 't', '--format', 'csv', file], /--format must be auto, json or ndjson/],
    [['send', '--to', TO, '--token', 't', file, file], /is given twice/],
    [['send', '--to', TO, '--token', 't', '--journal', 'j', file, '-'], /--journal goes with one input/],
    [['send', '--to', TO, '--token', 't', '--journal', 'j', '--no-journal', file], /both given/],
    [['send', '--to', TO, '--token', 't', '--wait', file], /unknown flag --wait/],
  ] as const) {
    const result = await runMain(args);
    assert.deepEqual([result.code, result.stdout], [2, ''], args.join(' '));
    assert.match(result.stderr, message);
    assert.equal(result.stderr.split('\n').length, 2);
  }
  assert.deepEqual(folder.names, ['x.json']);
});

test('a file that is not there is told, exit code 1', async () => {
  await using fake = await service(delivered);
  const result = await send(fake, ['/no/such.json']);
  assert.deepEqual([result.code, fake.seen.length], [1, 0]);
  assert.match(result.stderr, /\/no\/such\.json cannot be read: there is no such file/);
});

test('help shows examples and what the exit codes say', async () => {
  const { code, stdout } = await runMain(['send', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /Examples:\n {2}export-service send --to/);
  assert.match(stdout, /Exit codes: 0 every export was delivered/);
});
