/**
 * The demo as its user runs it: the real command, with a real service and destination behind it. Each run has a folder
 * for temporary files of its own, so that whatever it leaves behind is found.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { suite, test } from 'node:test';
import { Agent, fetch as undiciFetch } from 'undici';
import { DemoError, DemoProcess } from './demo-process.ts';

const ROOT = path.join(import.meta.dirname, '..', '..');
const COMMAND = path.join(ROOT, 'bin', 'export-service.js');

interface Run {
  child: ChildProcess;
  output: { stdout: string; stderr: string };
  code: Promise<number | null>;
}

function runDemo(folder: string, args: string[], env: Record<string, string> = {}): Run {
  const child = spawn(process.execPath, [COMMAND, 'demo', ...args], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: path.join(folder, 'tmp'), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output.stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    output.stderr += text;
  });
  return { child, output, code: once(child, 'close').then(([code]) => code) };
}

async function makeFolder() {
  const folder = await mkdtemp(path.join(tmpdir(), 'demo-test-'));
  await mkdir(path.join(folder, 'tmp'));
  return {
    folder,
    leftBehind: () => readdir(path.join(folder, 'tmp')),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Resolves when the run has printed this much; fails when it ends before. */
async function printed(run: Run, pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const match = pattern.exec(run.output.stdout);
    if (match !== null) return match;
    const next = once(run.child.stdout as NodeJS.ReadableStream, 'data').then(() => true);
    const isRunning = await Promise.race([next, run.code.then(() => false)]);
    assert.ok(isRunning || pattern.test(run.output.stdout), `ended before ${pattern}: ${run.output.stderr}`);
  }
}

/** The demo's certificates are its own. */
const dispatcher = new Agent({
  connect: { ca: readFileSync(path.join(import.meta.dirname, 'tls', 'root-ca.pem')) },
});
const trustingFetch = (url: string, init: object = {}) => undiciFetch(url, { ...init, dispatcher });

suite('export-service demo', { concurrency: 2 }, () => {
  test('the very bytes of the sample reach the destination, and nothing stays behind', async () => {
    await using place = await makeFolder();
    // Settings of a real service must not reach the demo's.
    const run = runDemo(place.folder, [], { EXPORT_SECRET: 'of a real service', DATABOX_LOCAL_NAME: 'x' });
    assert.equal(await run.code, 0, run.output.stderr);
    const { stdout } = run.output;
    assert.match(stdout, /✓ arbiter +tcp:\/\/127\.0\.0\.1:\d+/);
    assert.match(stdout, /✓ token +from the arbiter, asked for by the app\n/);
    assert.match(stdout, /Exporting samples\/day\.json \([\d,]+ bytes\)/);
    assert.match(stdout, / s {2}Pending +id [0-9a-f-]{36}\n/);
    assert.match(stdout, / s {2}Finished +200 OK\n/);
    assert.match(stdout, /webhook-id +[0-9a-f-]{36}\n/);
    assert.match(stdout, /✓ The destination received the very bytes of samples\/day\.json\.\n$/);
    assert.ok(!stdout.includes('\u001B'), 'no colours where there is no terminal');
    assert.deepEqual(await place.leftBehind(), []);
  });

  test('a file of your own arrives as it is, odd spacing and digits too', async () => {
    await using place = await makeFolder();
    const file = path.join(place.folder, 'own.json');
    const text = '\n {"t" :\t36.60, "big": 12345678901234567890,\r\n "room": "Küche \\u00fc"}\n\n';
    await writeFile(file, text);
    const run = runDemo(place.folder, [file, '--json']);
    assert.equal(await run.code, 0, run.output.stderr);
    const result = JSON.parse(run.output.stdout);
    assert.equal(result.same_bytes, true);
    assert.equal(result.bytes, Buffer.byteLength(text));
    assert.equal(result.received[0].sha256, result.sha256);
    assert.equal(result.received[0].headers['webhook-id'], result.id);
    assert.equal(result.states.at(-1).state, 'Finished');
  });

  test('a file that is not JSON, or not there, is told in one line before anything starts', async () => {
    await using place = await makeFolder();
    const file = path.join(place.folder, 'notes.txt');
    await writeFile(file, 'dear diary');
    const notJson = runDemo(place.folder, [file]);
    assert.equal(await notJson.code, 1);
    assert.equal(notJson.output.stdout, '');
    assert.match(notJson.output.stderr, /^export-service: \S+notes\.txt is not JSON: [^\n]+\n$/);

    const missing = runDemo(place.folder, [path.join(place.folder, 'gone.json')]);
    assert.equal(await missing.code, 1);
    assert.match(
      missing.output.stderr,
      /^export-service: Cannot read \S+gone\.json: there is no such file\.\n$/,
    );
  });

  test('a file beyond the body limit is refused by the service, and what to do is told', async () => {
    await using place = await makeFolder();
    const file = path.join(place.folder, 'large.json');
    await writeFile(file, JSON.stringify('x'.repeat(1_100_000)));
    const run = runDemo(place.folder, [file]);
    assert.equal(await run.code, 1);
    assert.match(run.output.stderr, /payload_too_large, HTTP 413\)[\s\S]*--body-bytes-max/);
    assert.deepEqual(await place.leftBehind(), []);
  });

  test('--keep leaves everything running until it is interrupted, then nothing', async () => {
    await using place = await makeFolder();
    const run = runDemo(place.folder, ['--keep']);
    const [, service = '', token = '', body = ''] = await printed(
      run,
      /curl -sS --cacert \S+ (\S+)\/lp\/export .*'X-Api-Key: (\S+)' -d '(.*)'\n/,
    );
    const post = () =>
      trustingFetch(`${service}/lp/export`, {
        method: 'POST',
        headers: { 'x-api-key': token, prefer: 'wait=10' },
        body,
      });
    const answer = (await (await post()).json()) as { state: string };
    assert.equal(answer.state, 'Finished');

    const [, received = ''] = await printed(run, /curl -sS --cacert \S+ (\S+\/received)\n/);
    const deliveries = (await (await trustingFetch(received)).json()) as { body: string }[];
    const texts = deliveries.map((delivery) => Buffer.from(delivery.body, 'base64').toString());
    assert.ok(texts.includes('{"hello":"world"}'));
    await printed(run, /https:\/\/127\.0\.0\.1:\d+\/ui\/#code=[\w-]{43}\n/);

    run.child.kill('SIGINT');
    assert.equal(await run.code, 0);
    await assert.rejects(post());
    await assert.rejects(trustingFetch(received));
    assert.deepEqual(await place.leftBehind(), []);
  });

  test('an interruption before the end is a failure, and leaves nothing behind', async () => {
    await using place = await makeFolder();
    const run = runDemo(place.folder, []);
    const [, destination = ''] = await printed(run, /destination +(\S+)\n/);
    run.child.kill('SIGTERM');
    assert.equal(await run.code, 1);
    assert.match(run.output.stderr, /Stopped/);
    await assert.rejects(trustingFetch(destination));
    assert.deepEqual(await place.leftBehind(), []);
  });
});

suite('a process of the demo', () => {
  const script = (code: string) => ({ name: 'thing', args: ['-e', code], env: process.env });
  const never = new AbortController().signal;

  test('one that ends before it is ready is told with the end of its log', async () => {
    const starting = DemoProcess.start(script('console.error("the disk is full"); process.exit(3)'), never);
    await assert.rejects(starting, (error) => {
      assert.ok(error instanceof DemoError);
      assert.match(error.message, /^The thing ended before it was ready:\n {2}the disk is full$/);
      return true;
    });
  });

  test('the first address on its stdout is its address', async () => {
    const code =
      'console.error("http://not.this"); console.log("x listens on http://127.0.0.1:7/"); setInterval(() => {}, 1e6)';
    await using started = await DemoProcess.start(script(code), never);
    assert.equal(started.url, 'http://127.0.0.1:7');
  });

  test('giving up while one starts ends it', async () => {
    const reason = new Error('enough');
    const giveUp = new AbortController();
    const starting = DemoProcess.start(script('setInterval(() => {}, 1e6)'), giveUp.signal);
    giveUp.abort(reason);
    await assert.rejects(starting, (error) => error === reason);
  });
});

test('the sample is JSON with line breaks and fixed decimals, and fits a body', async () => {
  const text = await readFile(path.join(ROOT, 'samples', 'day.json'), 'utf8');
  const minified = JSON.stringify(JSON.parse(text));
  assert.notEqual(text.trim(), minified);
  assert.match(text, /: 36\.60\b/);
  assert.match(text, /Küche/);
  assert.ok(Buffer.byteLength(JSON.stringify(text)) < 100_000);
});
