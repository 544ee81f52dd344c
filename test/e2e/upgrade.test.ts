/** A store of the oldest schema there was, with exports queued, under the service as it is now. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { checkStore } from '../../src/store/sqlite/check.ts';
import { migrateStore } from '../../src/store/sqlite/maintenance.ts';
import { SCHEMA_VERSION } from '../../src/store/sqlite/schema.ts';
import { Victim } from '../fault/victim.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, tokenFor } from '../support/service.ts';
import { searchStore } from '../support/store-search.ts';
import { makeFilledStore } from '../support/stores/old-store.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

/** Long ago the finished ones of that store finished. */
const FLAGS = ['--keep-results', '36500d'];

const id = (n: number): string => `019a0000-0000-7000-8000-00000000000${n}`;

describe('a store of schema version 1', () => {
  it('is brought up by a start: what was queued is sent as it was, and what had ended can still be read', async () => {
    await using victim = new Victim(FLAGS);
    await using destination = await nasty.answers('200 OK', 'thanks for the rest');
    const path = makeFilledStore(victim.dataDir, destination.url);
    const life = victim.start(null);
    assert.ok(await life.ready);
    const app = clientFor(victim.url, destination.url, {
      token: tokenFor({ destination: destination.url, client: 'app' }),
    });
    const other = clientFor(victim.url, `${destination.url}?two`);
    assert.equal((await app.wait(id(1))).answer.body, 'thanks for the first');
    assert.match((await app.wait(id(2))).answer.error?.detail ?? '', /^No complete answer within 30 s\.$/);
    for (const n of [3, 5]) assert.equal((await app.wait(id(n))).answer.body, 'thanks for the rest');
    for (const n of [4, 6]) assert.equal((await other.wait(id(n))).answer.body, 'thanks for the rest');
    const arrived = destination.received.map(({ headers, body }) => [headers['webhook-id'], body.toString()]);
    assert.deepEqual(arrived.toSorted(), [
      [id(3), '"the third!"'],
      [id(4), '"the fourth"'],
      [id(5), '"queued, five"'],
      [id(6), `"${'s'.repeat(39_998)}"`],
    ]);
    const repeat = {
      destination: destination.url,
      json: '"queued, five"',
      idempotencyKey: 'the-key-of-five',
    };
    assert.equal((await app.submit(repeat)).id, id(5), 'its idempotency keys are known');
    life.stop();
    assert.equal((await life.ended).code, 0);
    assert.deepEqual(checkStore(path).problems, []);
    assert.equal(checkStore(path).schemaVersion, SCHEMA_VERSION);
  });

  it('loses what deleted payloads had left in its file, which nobody had overwritten', () => {
    using directory = new TemporaryDirectory();
    const path = makeFilledStore(directory.path, 'https://one.example/in');
    const old = Array.from({ length: 40 }, (_, n) =>
      Buffer.from(`"a payload of long ago, ${n}" `.repeat(1 + n * 20)),
    );
    {
      using db = new DatabaseSync(path);
      for (const [n, data] of old.entries())
        db.prepare('INSERT INTO payloads VALUES (?, ?)').run(1_000 + n, data);
      db.exec('DELETE FROM payloads WHERE job >= 1000');
    }
    const left = searchStore(path, old)['exports.db'] ?? 0;
    assert.ok(left > 10, `${left} left`);
    assert.deepEqual(migrateStore(path), { from: 1, to: SCHEMA_VERSION });
    assert.deepEqual(searchStore(path, old), {});
    assert.deepEqual(checkStore(path).problems, []);
  });

  it('whose start was cut off before its commit is brought up by the next one', async () => {
    using directory = new TemporaryDirectory();
    const path = makeFilledStore(directory.path, 'https://one.example/in');
    {
      using db = new DatabaseSync(path);
      // A table in the way: the migration fails half way.
      db.exec('CREATE TABLE payload_keys (x)');
    }
    assert.throws(() => migrateStore(path), /already exists/);
    {
      using db = new DatabaseSync(path);
      assert.equal(db.prepare('PRAGMA user_version').get()?.user_version, 1);
      assert.equal(db.prepare('SELECT count(*) AS n FROM payloads').get()?.n, 4);
      db.exec('DROP TABLE payload_keys');
    }
    assert.deepEqual(migrateStore(path), { from: 1, to: SCHEMA_VERSION });
    assert.deepEqual(checkStore(path).problems, []);
  });
});
