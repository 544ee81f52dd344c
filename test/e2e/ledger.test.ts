/** What left is proved by what a running service gives, to whoever knows nothing of it but the C2SP formats. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openCheckpoint } from '../../src/ledger/checkpoint.ts';
import { parseEntry } from '../../src/ledger/entry.ts';
import { parseVerifierKey } from '../../src/ledger/note-key.ts';
import { verifyReceipt } from '../../src/ledger/receipt.ts';
import { certificate } from '../support/destinations/certificates.ts';
import { answerText, startDestination } from '../support/destinations/destination.ts';
import { checkWithSigstore } from '../support/ledger/sigstore.ts';
import { clientFor, ServiceProcess, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import { until } from '../support/until.ts';

const OWNER = tokenFor({ method: '*', path: '/owner/*' });
const CA = new URL('../support/destinations/tls/ca.pem', import.meta.url).pathname;

/** Of the certificate that the destination shows. */
const FINGERPRINT = new X509Certificate(certificate('localhost').cert).fingerprint256
  .replaceAll(':', '')
  .toLowerCase();

async function ask(service: ServiceProcess, path: string): Promise<Response> {
  return fetch(service.url + path, { headers: { 'x-api-key': OWNER } });
}

async function json<T>(service: ServiceProcess, path: string): Promise<T> {
  const response = await ask(service, path);
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return (await response.json()) as T;
}

async function text(service: ServiceProcess, path: string): Promise<string> {
  const response = await ask(service, path);
  assert.equal(response.status, 200, `${path}: ${response.status}`);
  return response.text();
}

interface Logs {
  readonly items: readonly {
    readonly origin: string;
    readonly verifier_key: string;
    readonly size: number;
  }[];
}

const logsOf = async (service: ServiceProcess) => (await json<Logs>(service, '/owner/ledger/logs')).items;

async function startAnswering() {
  return startDestination({
    tls: certificate('localhost'),
    onRequest: (socket) => socket.write(answerText('200 OK', 'thanks')),
  });
}

/** One export to its end; its id. */
async function exportTo(service: ServiceProcess, url: string, data = '"personal"'): Promise<string> {
  const client = clientFor(service.url, url);
  const { id } = await client.submit({ destination: url, json: data });
  await client.wait(id);
  return id;
}

describe('a receipt', () => {
  it('of a running service is accepted by Sigstore, and says where it went and whom that was', async () => {
    await using destination = await startAnswering();
    await using service = await ServiceProcess.start(['--destination-ca', CA]);
    const url = destination.url.replace('127.0.0.1', 'localhost').replace('http:', 'https:');
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.push(await exportTo(service, url));
    const [log] = await logsOf(service);
    assert.ok(log);
    for (const id of ids) {
      const receipt = await text(service, `/owner/exports/${id}/receipt`);
      checkWithSigstore(receipt, log.verifier_key);
      const { entry: line } = verifyReceipt(receipt, [parseVerifierKey(log.verifier_key)]);
      const entry = parseEntry(line);
      assert.ok(entry.kind === 'outcome');
      assert.deepEqual(
        [entry.export, entry.destination, entry.state, entry.status, entry.bytes],
        [id, url, 'delivered', 200, 10],
      );
      assert.equal(entry.tls_fingerprint, FINGERPRINT);
      assert.match(entry.address ?? '', /^(127\.0\.0\.1|::1)$/);
      const owned = await json<{ attempts: { tls_fingerprint: string }[] }>(service, `/owner/exports/${id}`);
      assert.equal(owned.attempts[0]?.tls_fingerprint, entry.tls_fingerprint);
    }
  });

  it('is not there for an export that has not ended, or that nobody knows; each says so', async () => {
    await using destination = await startDestination({ onRequest: () => {} });
    await using service = await ServiceProcess.start();
    const client = clientFor(service.url, destination.url);
    const { id } = await client.submit({ destination: destination.url, json: '1' });
    const open = await ask(service, `/owner/exports/${id}/receipt`);
    const { code, detail } = (await open.json()) as { code: string; detail: string };
    assert.deepEqual([open.status, code], [404, 'not_found']);
    assert.match(detail, /has not ended/);
    const unknown = await ask(service, '/owner/exports/019ab3f2-7c00-7000-8000-000000000001/receipt');
    assert.equal(((await unknown.json()) as { code: string }).code, 'unknown_export');
  });
});

describe('the ledger over HTTP', () => {
  it('is read by page, each entry the text that its hash is of, under a checkpoint of all of them', async () => {
    await using destination = await startAnswering();
    await using service = await ServiceProcess.start(['--destination-ca', CA]);
    await exportTo(service, destination.url.replace('127.0.0.1', 'localhost').replace('http:', 'https:'));
    const [log] = await logsOf(service);
    assert.ok(log);
    const kinds: string[] = [];
    let next: string | null = '0';
    while (next !== null) {
      type Page = { items: { index: number; entry: string; leaf_hash: string }[]; next: string | null };
      const page: Page = await json<Page>(service, `/owner/ledger?from=${next}&limit=3`);
      for (const { index, entry } of page.items) {
        assert.equal(index, kinds.length);
        kinds.push(parseEntry(entry).kind);
      }
      next = page.next;
    }
    // Master key and ledger key come first; then the root key that was given, and the signing key.
    const ofStart = ['log', 'key', 'key', 'start', 'key', 'key'];
    assert.deepEqual(kinds, [...ofStart, 'accepted', 'attempt', 'outcome']);
    const note = await text(service, `/owner/ledger/checkpoint?log=${encodeURIComponent(log.origin)}`);
    assert.equal(openCheckpoint(note, [parseVerifierKey(log.verifier_key)]).size, kinds.length);
    assert.equal(readFileSync(join(service.dataDir, 'ledger.head'), 'utf8'), note);
  });

  it('names the parameter that is wrong, and the log that is not there', async () => {
    await using service = await ServiceProcess.start();
    for (const [path, status, detail] of [
      ['/owner/ledger?from=-1', 400, /"from"/],
      ['/owner/ledger?limit=501', 400, /"limit"/],
      ['/owner/ledger?limit=1&limit=2', 400, /twice/],
      ['/owner/ledger/checkpoint?from=1', 400, /"from"/],
      ['/owner/ledger?log=another', 404, /no such log/],
    ] as const) {
      const response = await ask(service, path);
      assert.equal(response.status, status, path);
      assert.match(((await response.json()) as { detail: string }).detail, detail);
    }
    for (const path of ['/owner/ledger', '/owner/ledger/logs', '/owner/ledger/checkpoint'])
      assert.equal((await fetch(service.url + path)).status, 401, path);
  });
});

it('what the owner decides is in the ledger, with the name of the token', async () => {
  await using service = await ServiceProcess.start();
  const token = tokenFor({ method: '*', path: '/owner/*', client: 'anna' });
  const headers = { 'x-api-key': token, 'content-type': 'application/json' };
  const rule = { kind: 'block', app: 'sleep-app', note: 'not any more' };
  const made = await fetch(`${service.url}/owner/rules`, {
    method: 'POST',
    headers,
    body: JSON.stringify(rule),
  });
  assert.equal(made.status, 200);
  await fetch(`${service.url}/owner/signing-key/rotate`, { method: 'POST', headers });
  const page = await json<{ items: { entry: string }[] }>(service, '/owner/ledger');
  const entries = page.items.map(({ entry }) => parseEntry(entry)).slice(-2);
  assert.deepEqual(
    entries.map((entry) => [entry.kind, 'by' in entry && entry.by]),
    [
      ['rule', 'anna'],
      ['key', 'anna'],
    ],
  );
  assert.ok(!page.items.some(({ entry }) => entry.includes('not any more')));
});

describe('checkpoints elsewhere', () => {
  it('are written to a file and posted to a URL, and are those that the service shows', async () => {
    using directory = new TemporaryDirectory();
    const posted: string[] = [];
    const notary = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        posted.push(body);
        response.writeHead(204).end();
      });
    });
    await new Promise<void>((resolve) => notary.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = notary.address() as AddressInfo;
      const file = directory.file('head');
      const to = ['--checkpoint-to', file, '--checkpoint-to', `http://127.0.0.1:${port}/in`];
      await using service = await ServiceProcess.start(to);
      const note = await text(service, '/owner/ledger/checkpoint');
      await service.end('SIGTERM');
      assert.equal(posted.at(-1), note);
      assert.equal(readFileSync(file, 'utf8'), note);
    } finally {
      notary.closeAllConnections();
      notary.close();
    }
  });

  it('in a folder that is not there end the start with the setting that names it', async () => {
    await assert.rejects(
      ServiceProcess.start(['--checkpoint-to', '/nowhere/head']),
      /--checkpoint-to: \/nowhere is no folder/,
    );
  });
});

describe('a restored store', () => {
  it('goes on as a new log that names the old one; the old log is still checked and its receipts still given', async () => {
    await using destination = await startDestination({
      onRequest: (socket) => socket.write(answerText('200 OK', 'thanks')),
    });
    await using service = await ServiceProcess.start();
    const before = await exportTo(service, destination.url);
    await service.end('SIGTERM');
    const store = join(service.dataDir, 'exports.db');
    copyFileSync(store, `${store}.backup`);
    await service.start();
    await exportTo(service, destination.url);
    const [old] = await logsOf(service);
    await service.end('SIGTERM');
    const head = readFileSync(join(service.dataDir, 'ledger.head'), 'utf8');
    for (const end of ['', '-wal', '-shm']) rmSync(store + end, { force: true });
    copyFileSync(`${store}.backup`, store);
    await service.start();
    const [first, second, ...more] = await logsOf(service);
    assert.deepEqual([first?.origin, more], [old?.origin, []]);
    const path = `/owner/ledger?limit=1&log=${encodeURIComponent(second?.origin ?? '')}`;
    const page = await json<{ items: { entry: string }[] }>(service, path);
    const entry = parseEntry(page.items[0]?.entry ?? '');
    assert.ok(entry.kind === 'log');
    const previous = { origin: old?.origin, checkpoint: head, kept: first?.size };
    assert.deepEqual([entry.reason, entry.previous], ['store_behind', previous]);
    checkWithSigstore(await text(service, `/owner/exports/${before}/receipt`), first?.verifier_key ?? '');
    const after = await exportTo(service, destination.url);
    checkWithSigstore(await text(service, `/owner/exports/${after}/receipt`), second?.verifier_key ?? '');
    assert.equal((await ask(service, '/owner/ledger')).status, 400, 'which log is to be said now');
  });

  it('is not started over a head that contradicts it', async () => {
    await using service = await ServiceProcess.start();
    await service.end('SIGTERM');
    const file = join(service.dataDir, 'ledger.head');
    const head = readFileSync(file, 'utf8');
    writeFileSync(file, head.replace(/\n(\d+)\n/, '\n1\n'));
    await assert.rejects(service.start(), /The head of the ledger in .*ledger\.head is not a checkpoint/);
    writeFileSync(file, head);
    await service.start();
  });
});

it('an entry is there for each start, after a kill too, and the log goes on', async () => {
  await using service = await ServiceProcess.start();
  await service.end('SIGKILL');
  await service.start();
  await service.end('SIGTERM');
  await service.start();
  const page = await json<{ items: { entry: string }[] }>(service, '/owner/ledger');
  const kinds = page.items.map(({ entry }) => parseEntry(entry).kind);
  assert.equal(kinds.filter((kind) => kind === 'start').length, 3);
  await until(async () => (await logsOf(service)).length === 1);
});
