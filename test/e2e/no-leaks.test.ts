/**
 * Method: a service goes through everything that can happen to an export and to a request, with marks in all that is
 * secret or personal; then everything it wrote is searched for the marks, at every level of the log.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { request } from 'undici';
import { parseConfig } from '../../src/config.ts';
import { openMasterKey } from '../../src/keys/store-keys.ts';
import { openLocalRootKeys } from '../../src/local-root-key.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { SqliteJobStore } from '../../src/store/sqlite/sqlite-job-store.ts';
import { Box, DESTINATION } from '../support/arbiter/box.ts';
import { answersBytes } from '../support/arbiter/test-arbiter.ts';
import { runMain } from '../support/captured-io.ts';
import { answerText, startDestination, type TestDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { SocketClient } from '../support/http/socket-client.ts';
import { clientFor, ServiceProcess } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const ROOT_KEY = 'LEAK-root-key-5f0c';
/** Begins every mark, also in base64: what is searched for stands at the start of three bytes. */
const MARK = 'LEAK';
const FAST = ['--retry-base', '1ms', '--attempts-max', '2', '--attempt-timeout', '300ms'];

/** What was sent and what came back of it, other than a destination's answer to its own app. */
interface Trip {
  readonly secrets: Set<string>;
  readonly refusals: string[];
}

type Format = 'v1' | 'v2' | 'v2j';

function tokenFor(trip: Trip, destination: string, format: Format = 'v1', rootKey = ROOT_KEY): string {
  const caveats = ['path = *', 'method = *', 'target = export-service', `destination = ${destination}`];
  return mintFor(trip, caveats, format, rootKey);
}

function ownerTokenFor(trip: Trip, rootKey = ROOT_KEY): string {
  return mintFor(trip, ['path = /owner/*', 'method = *', 'target = export-service'], 'v1', rootKey);
}

function mintFor(trip: Trip, caveats: readonly string[], format: Format, rootKey: string): string {
  const token = encode(mint({ rootKey: Buffer.from(rootKey), identifier: 'app', caveats }), format);
  // Any stretch of it would be too much: the signature is at its end.
  for (const part of [token, token.slice(-40), token.slice(20, 60)]) trip.secrets.add(part);
  return token;
}

class App {
  readonly #service: ServiceProcess;
  readonly #trip: Trip;

  constructor(service: ServiceProcess, trip: Trip) {
    this.#service = service;
    this.#trip = trip;
  }

  async send(path: string, headers: Record<string, string>, body: string | Buffer): Promise<number> {
    const response = await request(`${this.#service.url}${path}`, { method: 'POST', headers, body });
    const text = await response.body.text();
    if (response.statusCode >= 400) this.#trip.refusals.push(JSON.stringify(response.headers) + text);
    return response.statusCode;
  }

  /** Exports data with marks, by a URL with marks, and waits for the end. */
  async export(destination: string, format: Format = 'v1', as = 'x-api-key'): Promise<number> {
    const uri = `${destination}/LEAK-path?key=LEAK-query`;
    const token = tokenFor(this.#trip, uri, format);
    const values: Record<string, string> = {
      'x-api-key': token,
      authorization: `Bearer ${token}`,
      basic: `Basic ${Buffer.from(`${token}:LEAK-password`).toString('base64')}`,
    };
    const name = as === 'basic' ? 'authorization' : as;
    const headers = {
      [name]: values[as] ?? '',
      prefer: 'wait=20',
      'idempotency-key': `LEAK-${Math.random()}`,
    };
    return await this.send('/export', headers, JSON.stringify({ uri, data: { name: 'LEAK-payload' } }));
  }
}

function withPath(destination: TestDestination): string {
  return destination.url.replace(/\/in$/, '');
}

async function exportEverything(app: App): Promise<void> {
  await using good = await nasty.answers('200 OK', 'LEAK-answer', { 'x-key': 'LEAK-header' });
  await using echoing = await startDestination({
    onRequest: (socket, { body }) => socket.write(answerText('500 LEAK-reason', body)),
  });
  await using untrusted = await nasty.answersOverTls('self-signed', 'LEAK-answer');
  await using silent = await nasty.neverAnswers();
  await using garbage = await nasty.says('LEAK-garbage and nothing else\r\n\r\n');
  await using resets = await nasty.resetsMidBody();
  for (const format of ['v1', 'v2', 'v2j'] as const)
    assert.equal(await app.export(withPath(good), format), 200, format);
  for (const as of ['authorization', 'basic'])
    assert.equal(await app.export(withPath(good), 'v1', as), 200, as);
  for (const bad of [echoing, untrusted, silent, garbage, resets])
    assert.equal(await app.export(withPath(bad)), 200);
  for (const nowhere of [await nasty.closedPort(), 'http://LEAK-name.invalid', 'http://localhost:1'])
    assert.equal(await app.export(nowhere), 200, nowhere);
}

async function sendEverythingWrong(app: App, trip: Trip): Promise<void> {
  const uri = 'https://LEAK-host.example/LEAK-path?LEAK-query';
  const token = tokenFor(trip, uri);
  const good = { 'x-api-key': token };
  const data = '{"LEAK-payload":1}';
  const cases: [headers: Record<string, string>, body: string | Buffer, path?: string][] = [
    [good, `{"uri":"${uri}","data":LEAK-payload}`],
    [good, 'LEAK-payload'],
    [good, Buffer.from(`{"LEAK-payload":"\xff"}`, 'latin1')],
    [good, JSON.stringify({ uri, data: 'LEAK-payload' })],
    [good, JSON.stringify({ uri: 'LEAK-payload', data })],
    [good, JSON.stringify({ uri, data, attempts_max: 'LEAK-payload' })],
    [good, JSON.stringify({ uri, data, idempotency_key: 'LEAK payload' })],
    [good, JSON.stringify({ id: 'LEAK-payload' })],
    [good, JSON.stringify([{ uri, data }, 'LEAK-payload'])],
    [good, `"${'LEAK-payload'.repeat(100_000)}"`],
    [{ ...good, 'idempotency-key': 'LEAK key' }, JSON.stringify({ uri, data })],
    [{ 'x-api-key': `${token}LEAK` }, '{}'],
    [{ 'x-api-key': tokenFor(trip, uri, 'v2j').replace('"s64"', '"LEAK"') }, '{}'],
    [{ 'x-api-key': tokenFor(trip, uri, 'v1', 'LEAK-other-key') }, '{}'],
    [{ 'x-api-key': 'LEAK not a token' }, '{}'],
    [{ authorization: 'Basic TEVBSy1ub3QtYS10b2tlbjo=' }, '{}'],
    [good, '{}', '/LEAK-path?LEAK-query'],
    [{}, '{"LEAK-payload":1}', '/export?LEAK-query'],
  ];
  for (const [headers, body, path = '/export'] of cases) {
    assert.ok((await app.send(path, headers, body)) >= 400, JSON.stringify(headers));
  }
}

/** Exports over a WebSocket, and sends it what is wrong, before its handshake and after it. */
async function useWebSocket(service: ServiceProcess, trip: Trip): Promise<void> {
  await using good = await nasty.answers('200 OK', 'LEAK-answer');
  const port = Number(new URL(service.url).port);
  const uri = `${withPath(good)}/LEAK-path?key=LEAK-query`;
  await using client = await SocketClient.open(port, { token: tokenFor(trip, uri) });
  client.send({ uri, data: { name: 'LEAK-payload' } });
  let state: string | undefined;
  while (state !== 'Finished') ({ state } = await client.next());
  const wrong = [
    'LEAK-payload',
    { uri, data: 'LEAK-payload' },
    { uri: 'https://LEAK-host.example/', data: 'LEAK-payload' },
    { id: 'LEAK-payload' },
    [{ uri, data: '{}' }, 'LEAK-payload'],
  ];
  for (const frame of wrong) {
    const problem = await client.ask(frame);
    assert.ok(problem.status >= 400, JSON.stringify(problem));
    trip.refusals.push(JSON.stringify(problem));
  }
  for (const token of [
    'LEAK not a token',
    tokenFor(trip, uri, 'v1', 'LEAK-other-key'),
    ownerTokenFor(trip),
  ]) {
    const { status, problem } = await SocketClient.refused(port, { token });
    assert.equal(status, 401);
    trip.refusals.push(JSON.stringify(problem));
  }
}

/** Goes through what the owner may ask. The answers are for the owner, who may see where exports went. */
async function useOwnerRoutes(service: ServiceProcess, trip: Trip): Promise<void> {
  const ask = async (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    body?: string,
    token = ownerTokenFor(trip),
  ) => {
    const headers = { 'x-api-key': token };
    const response = await request(`${service.url}/owner/${path}`, { method, headers, body: body ?? null });
    const text = await response.body.text();
    if (response.statusCode >= 400) trip.refusals.push(JSON.stringify(response.headers) + text);
    return { status: response.statusCode, text };
  };
  for (const path of ['exports?limit=500', 'summary', 'rules', 'ledger/logs', 'ledger']) {
    const { status, text } = await ask('GET', path);
    assert.equal(status, 200, path);
    find(path, text, ['LEAK-payload', 'LEAK-answer', ROOT_KEY]);
  }
  const rule = JSON.stringify({ kind: 'block', destination: 'https://leak.example', note: 'LEAK-note' });
  const { status, text } = await ask('POST', 'rules', rule);
  assert.ok(status < 300, text);
  assert.ok((await ask('DELETE', `rules/${JSON.parse(text).id}`)).status < 300);
  assert.ok((await ask('POST', 'signing-key/rotate')).status < 300);
  const { items } = JSON.parse((await ask('GET', 'exports?limit=500')).text);
  assert.equal((await ask('POST', `exports/${items[0].id}/cancel`)).status, 409);
  const wrong: [path: string, body: string, token?: string][] = [
    ['rules', '{"kind":"LEAK-kind"}'],
    ['rules', 'LEAK-rule'],
    ['rules', '{"kind":"block","destination":"LEAK-destination"}'],
    ['exports/LEAK-id/cancel', ''],
    ['rules', '{"kind":"hold"}', 'LEAK not a token'],
    ['rules', '{"kind":"hold"}', ownerTokenFor(trip, 'LEAK-other-key')],
    ['rules', '{"kind":"hold"}', tokenFor(trip, 'https://LEAK-host.example/')],
  ];
  for (const [path, body, token] of wrong)
    assert.ok((await ask('POST', path, body, token)).status >= 400, `${path} ${body}`);
}

/** Runs commands against the service. They repeat the destinations that whoever runs them names, and nothing secret. */
async function useCommandLine(service: ServiceProcess, trip: Trip): Promise<void> {
  await using good = await nasty.answers('200 OK', 'LEAK-answer');
  const uri = `${withPath(good)}/LEAK-path?key=LEAK-query`;
  const secrets = [...trip.secrets].filter((secret) => secret !== MARK);
  const run = async (token: string, args: readonly string[], input = ''): Promise<number> => {
    const env = { EXPORT_URL: service.url, EXPORT_TOKEN: token };
    const { code, stdout, stderr } = await runMain(args, env, input);
    find(args.join(' '), stdout + stderr, [...secrets, token, token.slice(-40), 'LEAK-payload']);
    return code;
  };
  const owner = ownerTokenFor(trip);
  const send = ['send', '--to', uri, '--no-journal'];
  assert.equal(await run(tokenFor(trip, uri), send, '{"name":"LEAK-payload"}'), 0);
  assert.equal(await run(owner, ['exports', 'list']), 0);
  assert.equal(await run(owner, ['rules', 'list']), 0);
  assert.notEqual(await run(tokenFor(trip, uri), send, 'LEAK-payload'), 0);
  for (const token of ['LEAK-not-a-token', tokenFor(trip, uri, 'v1', 'LEAK-other-key')]) {
    assert.notEqual(await run(token, send, '{"name":"LEAK-payload"}'), 0);
    assert.notEqual(await run(token, ['exports', 'list']), 0);
  }
}

/** The owner signs in to the page and out again, and somebody tries with what is none. */
async function signIn(service: ServiceProcess, trip: Trip): Promise<void> {
  const ask = (method: 'POST' | 'DELETE', path: string, headers: Record<string, string>, body?: object) =>
    request(`${service.url}${path}`, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
  const link = await ask('POST', '/owner/links', { 'x-api-key': ownerTokenFor(trip) });
  const { code } = (await link.body.json()) as { code: string };
  const opened = await ask('POST', '/ui/session', {}, { code });
  await opened.body.dump();
  const cookie = String(opened.headers['set-cookie']).split(';')[0] ?? '';
  const [, session = ''] = cookie.split('=');
  assert.ok(code.length > 20 && session.length > 20);
  for (const secret of [code, session]) trip.secrets.add(secret);
  for (const [headers, body] of [
    [{}, { code }],
    [{}, { code: `${code}x`, more: session }],
    [{ cookie, origin: 'http://other.example' }, { code }],
  ] as const) {
    const refused = await ask('POST', '/ui/session', headers, body);
    trip.refusals.push(JSON.stringify(refused.headers) + (await refused.body.text()));
    assert.ok(refused.statusCode >= 400);
  }
  await (await ask('DELETE', '/ui/session', { cookie, origin: service.url })).body.dump();
}

function find(where: string, text: string, secrets: Iterable<string>): void {
  for (const secret of secrets) {
    const at = text.indexOf(secret);
    if (at >= 0) assert.fail(`${where} tells "${secret}": …${text.slice(Math.max(0, at - 100), at + 100)}…`);
  }
}

/** A text as it may be written, so that its beginning is found in whatever form. */
function formsOf(secret: string | Uint8Array): string[] {
  const bytes = Buffer.from(secret as string);
  return [
    bytes.toString('latin1'),
    bytes.toString('hex'),
    bytes.toString('base64'),
    bytes.toString('base64url'),
  ];
}

for (const level of ['silent', 'error', 'warn', 'info', 'debug']) {
  it(`no log at level ${level}, no refusal and no public page tells a secret, a token or a payload`, async () => {
    using directory = new TemporaryDirectory();
    writeFileSync(directory.file('root-key'), `${ROOT_KEY}\n`);
    const flags = [
      '--allow-http',
      '--allow-network',
      '127.0.0.0/8',
      '--secret-file',
      directory.file('root-key'),
    ];
    await using service = await ServiceProcess.start([...FAST, '--log-level', level], flags);
    const trip: Trip = { secrets: new Set([MARK, ...formsOf(ROOT_KEY)]), refusals: [] };
    const app = new App(service, trip);
    await exportEverything(app);
    await sendEverythingWrong(app, trip);
    await useWebSocket(service, trip);
    await useOwnerRoutes(service, trip);
    await signIn(service, trip);
    await useCommandLine(service, trip);
    for (const path of [
      '/status',
      '/healthz',
      '/readyz',
      '/metrics',
      '/.well-known/export-signing-keys',
      '/openapi.json',
    ]) {
      const { statusCode, body } = await request(`${service.url}${path}`);
      if (path !== '/metrics') assert.equal(statusCode, 200, path);
      find(path, `${statusCode} ${await body.text()}`, trip.secrets);
    }
    // Also what a crash leaves to say, and what the next start makes of it.
    await service.end('SIGKILL');
    await service.start();
    assert.equal(await service.end('SIGTERM'), 0);

    // 18 of requests, 8 of WebSockets, 8 of the owner's routes, 3 of signing in.
    assert.ok(trip.refusals.length >= 37, `${trip.refusals.length}`);
    // The app's own destination, and nothing else of its own words, is named to the app that was refused.
    for (const refusal of trip.refusals) find('a refusal', refusal, trip.secrets);
    find('stdout', service.written.stdout, trip.secrets);
    find('stderr', service.written.stderr, trip.secrets);
    const lines = service.written.stderr.split('\n').filter((line) => line !== '');
    assert.equal(lines.length > 0, !['silent', 'error'].includes(level), service.written.stderr);
  });
}

it('no log and no refusal tells the key that an arbiter gave, or what it was asked with', async () => {
  await using box = await Box.open();
  const key = 'LEAK-key-of-the-arbiter';
  const secrets = ['ARBITER_TOKEN', 'ZMQ_PUBLIC_KEY'].map((name) =>
    readFileSync(join(box.arbiter.secretsDir, name), 'utf8'),
  );
  secrets.push(MARK, ...formsOf(key));
  box.arbiter.misbehaviour = answersBytes(Buffer.concat([Buffer.from('45000000', 'hex'), Buffer.from(key)]));
  await box.start();
  await box.untilReady();
  const trip: Trip = { secrets: new Set(), refusals: [] };
  const good = tokenFor(trip, DESTINATION, 'v1', key);
  assert.equal((await box.export(good)).status, 200);
  const elsewhere = tokenFor(trip, 'https://elsewhere.example/', 'v1', key);
  for (const token of ['LEAK not a token', elsewhere, tokenFor(trip, DESTINATION, 'v1', 'LEAK-other-key')]) {
    const refused = await box.export(token);
    assert.ok(refused.status >= 400);
    find('a refusal', JSON.stringify(refused), [...secrets, ...trip.secrets]);
  }
  await box.stop();
  assert.match(box.log, /the arbiter gave a root key/);
  find('the log', box.log, [...secrets, ...trip.secrets]);
});

it('no file in the data folder holds a payload or an answer in the clear, whatever moment the disk is taken at', async () => {
  await using service = await ServiceProcess.start();
  await using silent = await nasty.neverAnswers();
  await using good = await nasty.answers('200 OK', 'LEAK-answer');
  const queued = clientFor(service.url, silent.url);
  for (let n = 0; n < 3; n += 1) {
    await queued.submit({ destination: silent.url, data: { name: `LEAK-payload ${n}` } });
  }
  const delivered = clientFor(service.url, good.url);
  const { id } = await delivered.submit({ destination: good.url, data: 'LEAK-payload' });
  assert.equal((await delivered.wait(id)).answer.body, 'LEAK-answer');
  await service.end('SIGKILL');
  const files = readdirSync(service.dataDir);
  assert.ok(
    files.some((name) => name.endsWith('-wal')),
    files.join(),
  );
  for (const name of files) find(name, readFileSync(join(service.dataDir, name)).toString('latin1'), [MARK]);
  // What cannot be read is still there.
  await service.start();
  assert.equal((await delivered.get(id)).state, 'Finished');
});

it('no file in the data folder but the key file holds a key in the clear, and only their owner can read them', async () => {
  await using service = await ServiceProcess.start([], []);
  assert.equal(await service.end('SIGTERM'), 0);
  const config = parseConfig(['--data-dir', service.dataDir], {});
  const secrets = (await openLocalRootKeys(config)).flatMap(formsOf);
  await using store = await SqliteJobStore.open(config.store.path);
  const masterKey = await openMasterKey(store.secrets, config.keyFile, Date.now());
  const sealed = await store.secrets.get('signing keys');
  assert.ok(sealed !== null);
  for (const { d } of JSON.parse(Buffer.from(masterKey.open('signing keys', sealed)).toString())) {
    secrets.push(d, ...formsOf(Buffer.from(d, 'base64url')));
  }
  secrets.push(...formsOf(readFileSync(config.keyFile)));
  for (const name of readdirSync(service.dataDir)) {
    if (name === 'store.key') continue;
    find(name, readFileSync(join(service.dataDir, name)).toString('latin1'), secrets);
  }
  const shown = await runMain(['serve', '--print-config', '--secret', ROOT_KEY]);
  find('--print-config', shown.stdout + shown.stderr, [MARK]);
});
