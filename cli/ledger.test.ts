/** The commands over a real store that has exported, and over the service that uses it. */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { ExportClient } from '../client/index.ts';
import { type App, createApp } from '../src/app.ts';
import { parseConfig } from '../src/config.ts';
import { openCheckpoint, readUnverifiedCheckpoint } from '../src/ledger/checkpoint.ts';
import { parseEntry } from '../src/ledger/entry.ts';
import { parseVerifierKey } from '../src/ledger/note-key.ts';
import { rootOfInclusion } from '../src/ledger/proof.ts';
import { equalHashes, leafHash } from '../src/ledger/tree-hash.ts';
import { createLog } from '../src/telemetry/log.ts';
import { capturedIo, runMain } from '../test/support/captured-io.ts';
import {
  answerText,
  startDestination,
  type TestDestination,
} from '../test/support/destinations/destination.ts';
import { ROOT_KEY, TEST_FLAGS, tokenFor } from '../test/support/service.ts';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';

const directory = new TemporaryDirectory();
const data = ['--data-dir', directory.path];
const store = directory.file('exports.db');
const headFile = join(directory.path, 'ledger.head');
const kept = directory.file('kept.head');
/** Where the service keeps each checkpoint too. */
const elsewhere = new TemporaryDirectory();
const mirror = elsewhere.file('ledger.head');
let destination: TestDestination;
let app: App;

async function exportAs(client: string, count: number): Promise<void> {
  const token = tokenFor({ destination: destination.url, client });
  const exports = new ExportClient({ url: app.url, token });
  for (let done = 0; done < count; done += 1) {
    const { id } = await exports.submit({ destination: destination.url, json: `"personal ${done}"` });
    await exports.wait(id);
  }
}

/** The service, while the commands run. */
async function start(): Promise<void> {
  const config = parseConfig(['--port', '0', ...data, ...TEST_FLAGS, '--checkpoint-to', mirror], {});
  app = await createApp(config, createLog('error', capturedIo().stderr));
}

before(async () => {
  destination = await startDestination({ onRequest: (socket) => socket.write(answerText('200 OK', 'ok')) });
  await start();
  await exportAs('sleep-app', 3);
  await exportAs('', 2);
  await app[Symbol.asyncDispose]();
  writeFileSync(kept, readFileSync(headFile));
  await start();
});

after(async () => {
  await app[Symbol.asyncDispose]();
  await destination.close();
  directory[Symbol.dispose]();
  elsewhere[Symbol.dispose]();
});

const overStore = (words: string[]) => runMain([...words, ...data]);
const overService = (words: string[]) => runMain([...words, '--url', app.url, '--secret', ROOT_KEY]);
const WAYS = { 'over the store': overStore, 'over the service': overService } as const;

for (const [way, run] of Object.entries(WAYS)) {
  describe(`ledger ${way}`, () => {
    it('list prints entries for people, the newest last, as many as are asked for', async () => {
      const { code, stdout } = await run(['ledger', 'list', '--limit', '4', '--app', 'sleep-app']);
      assert.equal(code, 0);
      const lines = stdout.trim().split('\n');
      assert.equal(lines.length, 4);
      assert.match(
        lines.at(-1) ?? '',
        /outcome +sleep-app to http:\S+, delivered, status 200 at 127\.0\.0\.1; /,
      );
    });

    it('list --json gives entries as the service does, each with its log', async () => {
      const { stdout } = await run(['ledger', 'list', '--json', '--app', '']);
      const { items, next } = JSON.parse(stdout);
      assert.equal(next, null);
      assert.deepEqual(
        items.map(({ entry }: { entry: string }) => parseEntry(entry).kind),
        ['accepted', 'attempt', 'outcome', 'accepted', 'attempt', 'outcome'],
      );
      for (const { entry, leaf_hash: hash } of items)
        assert.equal(Buffer.from(leafHash(entry)).toString('base64'), hash);
    });

    it('list --logs prints each log, its size and its key', async () => {
      const { stdout } = await run(['ledger', 'list', '--logs']);
      const [origin, size, key] = stdout.trim().split('\t');
      assert.equal(parseVerifierKey(key ?? '').name, origin);
      assert.ok(Number(size) > 15);
    });

    it('verify says that all holds, and what no checkpoint from elsewhere means', async () => {
      const { code, stdout } = await run(['ledger', 'verify']);
      assert.equal(code, 0);
      assert.match(stdout, /: \d+ entries hold, \d+ of them under a signed checkpoint\.\n/);
      assert.match(stdout, /No checkpoint from elsewhere was given/);
      const checked = await run(['ledger', 'verify', '--checkpoint', kept, '--json']);
      const report = JSON.parse(checked.stdout);
      assert.equal(report.sound, true);
      assert.ok(report.logs[0].checkpoints.some(({ where }: { where: string }) => where === kept));
    });

    it('verify reads what the service keeps with --checkpoint-to, named as that or as --checkpoint', async () => {
      for (const [flag, file] of [
        ['--checkpoint-to', mirror],
        ['--checkpoint', mirror],
        ['--checkpoint-to', `https://127.0.0.1:1/, ${mirror}`],
      ] as const) {
        const { code, stdout } = await run(['ledger', 'verify', flag, file, '--json']);
        assert.equal(code, 0, stdout);
        const [log] = JSON.parse(stdout).logs;
        const found = log.checkpoints.find(({ where }: { where: string }) => where === mirror);
        assert.equal(found?.size, readUnverifiedCheckpoint(readFileSync(mirror, 'utf8')).size);
        assert.ok(found.size > 15);
      }
      const none = await run(['ledger', 'verify', '--checkpoint-to', elsewhere.file('nothing')]);
      assert.equal(none.code, 0, 'a place may be away');
    });

    it('verify with the key of another says so', async () => {
      const { stdout } = await run(['ledger', 'list', '--logs']);
      const [origin = ''] = stdout.split('\t');
      const { noteSigner } = await import('../src/ledger/note-key.ts');
      const key = noteSigner(origin, Buffer.alloc(32, 5)).verifierKey;
      const verified = await run(['ledger', 'verify', '--key', key]);
      assert.equal(verified.code, 1);
      assert.match(verified.stdout, /is not the one that was given/);
    });

    it('export gives each entry with a proof that leads to the checkpoint', async () => {
      const { code, stdout } = await run(['ledger', 'export', '--app', 'sleep-app', '--since', '2020-01-01']);
      assert.equal(code, 0);
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const { verifier_key: key, checkpoint: note } = lines.pop();
      const { size, root } = openCheckpoint(note, [parseVerifierKey(key)]);
      assert.equal(lines.length, 9);
      for (const { index, entry, proof } of lines) {
        const hashes = proof.map((hash: string) => Buffer.from(hash, 'base64'));
        const found = rootOfInclusion({ index, size, leaf: leafHash(entry), proof: hashes });
        assert.ok(found !== null && equalHashes(found, root), `entry ${index}`);
      }
    });

    it('export of another period has no entry', async () => {
      const { stdout } = await run(['ledger', 'export', '--until', '2020-01-01']);
      assert.equal(stdout.trim().split('\n').length, 1);
    });

    it('export --report says who, what, where, when, how much, how often', async () => {
      const { stdout } = await run(['ledger', 'export', '--report']);
      assert.match(
        stdout,
        /sleep-app to http:\S+\n {2}taken in +3 exports\n {2}ended +3 delivered, 0 undeliv/,
      );
      assert.match(
        stdout,
        /sent +3 times, 36 bytes in all\n {2}from +\S+Z to \S+Z\n {2}addresses +127\.0\.0\.1/,
      );
      assert.match(stdout, /Apps whose tokens name none to /);
      const json = await run(['ledger', 'export', '--report', '--json']);
      const [first] = JSON.parse(json.stdout).disclosures;
      assert.deepEqual(
        [first.app, first.sent, first.bytes, first.outcomes.delivered],
        ['sleep-app', 3, 36, 3],
      );
    });

    for (const [words, wrong] of [
      [['list', '--limit', '0'], /--limit must be/],
      [['list', '--since', 'yesterday'], /--since must be/],
      [['verify', '--checkpoint', '/nowhere'], /--checkpoint: \/nowhere cannot be read/],
      [['list', '--log', 'nobody'], /There is no log "nobody"/],
    ] as const) {
      it(`${words.join(' ')} is refused in words`, async () => {
        const { code, stderr } = await run(['ledger', ...words]);
        assert.ok(code === 1 || code === 2);
        assert.match(stderr, wrong);
      });
    }
  });
}

describe('ledger verify', () => {
  /** A copy of the store in a folder of its own, tampered with. */
  async function verifyTampered(sql: string, ...outside: string[]) {
    using copy = new TemporaryDirectory();
    const path = copy.file('exports.db');
    {
      using from = new DatabaseSync(store, { readOnly: true });
      from.exec(`VACUUM INTO '${path}'`);
    }
    {
      using db = new DatabaseSync(path);
      db.exec(sql);
    }
    return await runMain(['ledger', 'verify', '--data-dir', copy.path, ...outside]);
  }
  const ENTRY = 1_099_511_627_776;

  for (const [what, sql, named] of [
    [
      'changed',
      `UPDATE ledger_entries SET text = replace(text, 'start', 'stort') WHERE entry = ${ENTRY + 3}`,
      /entry 3 does not hold/,
    ],
    [
      'removed',
      `DELETE FROM ledger_entries WHERE entry = ${ENTRY + 5}`,
      /entry 5 does not hold: Entry 5 is missing/,
    ],
    [
      'erased',
      `UPDATE ledger_entries SET text = NULL WHERE entry = ${ENTRY + 6}`,
      /text of entry 6 is missing, and no erasure/,
    ],
    [
      'cut off',
      `DELETE FROM ledger_entries WHERE entry >= ${ENTRY + 9}`,
      /entry 9 does not hold: The log ends after 9 entries/,
    ],
    [
      'forgotten',
      'DELETE FROM ledger_entries; DELETE FROM ledger_logs',
      /is of the log .*, and there is none here/,
    ],
  ] as const) {
    it(`names what was ${what}`, async () => {
      for (const outside of [
        ['--checkpoint', kept],
        ['--checkpoint-to', mirror],
      ]) {
        const { code, stdout } = await verifyTampered(sql, ...outside);
        assert.equal(code, 1);
        assert.match(stdout, named);
      }
    });
  }

  it('does not see that the end was cut off by what lies with the store alone', async () => {
    const cut = `DELETE FROM ledger_entries WHERE entry >= ${ENTRY + 9}; DELETE FROM ledger_nodes;
      UPDATE ledger_logs SET checkpoint = NULL; DELETE FROM ledger_checkpoints`;
    assert.equal((await verifyTampered(cut)).code, 0);
    assert.equal((await verifyTampered(cut, '--checkpoint-to', mirror)).code, 1);
  });

  it('takes a receipt for the checkpoint that it holds, and refuses what is none', async () => {
    const token = tokenFor({ method: '*', path: '/owner/*' });
    const ask = async (path: string): Promise<Response> =>
      fetch(app.url + path, { headers: { 'x-api-key': token } });
    const { items } = (await (await ask('/owner/exports')).json()) as { items: { id: string }[] };
    const receipt = await (await ask(`/owner/exports/${items[0]?.id}/receipt`)).text();
    const file = directory.file('a.tlog-proof');
    writeFileSync(file, receipt);
    const verified = await runMain(['ledger', 'verify', ...data, '--checkpoint', file, '--json']);
    assert.equal(verified.code, 0, verified.stdout);
    assert.ok(
      JSON.parse(verified.stdout).logs[0].checkpoints.some(({ where }: { where: string }) => where === file),
    );
    writeFileSync(file, 'nothing');
    assert.equal((await runMain(['ledger', 'verify', ...data, '--checkpoint', file])).code, 1);
  });
});

describe('store backup', () => {
  it('waits until the checkpoint beside the store covers the ledger of the copy', async () => {
    await exportAs('sleep-app', 1);
    const { code, stdout } = await runMain([
      'store',
      'backup',
      directory.file('covered.db'),
      '--json',
      ...data,
    ]);
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).covered, true);
  });

  it('says when the end of the ledger is under no checkpoint', async () => {
    using copy = new TemporaryDirectory();
    await runMain(['store', 'backup', copy.file('exports.db'), ...data]);
    const backup = ['store', 'backup', copy.file('again.db'), '--data-dir', copy.path];
    const { code, stdout } = await runMain(backup);
    assert.equal(code, 0);
    assert.match(stdout, /under no checkpoint yet: start the service/);
  });
});

it('ledger without a word, and with another one, says which there are', async () => {
  assert.match((await runMain(['ledger'])).stderr, /list, verify or export/);
  assert.match((await runMain(['ledger', 'rewrite'])).stderr, /not "rewrite"/);
  assert.match((await runMain(['ledger', '--help'])).stdout, /verify/);
});
