import assert from 'node:assert/strict';
import { appendFileSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { type Errand, Journal, journalPath } from './journal.ts';

const ERRAND: Errand = {
  to: 'https://a.example/in',
  url: 'http://127.0.0.1:8080',
  attemptsMax: null,
  client: 'app',
};
const DAY_MS = 24 * 3_600_000;

class Desk implements Disposable {
  readonly #directory = new TemporaryDirectory();
  now = Date.parse('2026-03-01T12:00:00Z');

  get path(): string {
    return `${this.#directory.path}/x.send-journal`;
  }

  open(errand: Partial<Errand> = {}): Journal {
    return Journal.open(this.path, { ...ERRAND, ...errand }, () => this.now);
  }

  [Symbol.dispose](): void {
    this.#directory[Symbol.dispose]();
  }
}

test('an export that nobody heard of is begun again under the same key', () => {
  using desk = new Desk();
  const before = desk.open();
  const { key } = before.begin(0, '1');
  before[Symbol.dispose]();
  const after = desk.open();
  const again = after.begin(0, '1');
  assert.equal(again.key, key);
  assert.equal(again.entry.id, null);
});

test('what is noted is known again: accepted, delivered, failed, refused', () => {
  using desk = new Desk();
  const before = desk.open();
  for (const index of [0, 1, 2, 3]) before.begin(index, String(index));
  for (const index of [0, 1, 2]) before.accepted(index, `id-${index}`);
  before.ended(1, 'delivered');
  before.ended(2, 'failed');
  before.ended(3, 'refused');
  const after = desk.open();
  assert.deepEqual(
    [0, 1].map((index) => after.begin(index, String(index)).entry).map(({ id, end }) => [id, end]),
    [
      ['id-0', null],
      ['id-1', 'delivered'],
    ],
  );
});

test('what ended badly is another export the next time, and stays one', () => {
  using desk = new Desk();
  const first = desk.open();
  const { key } = first.begin(0, '1');
  first.accepted(0, 'id');
  first.ended(0, 'failed');
  const second = desk.open().begin(0, '1');
  assert.notEqual(second.key, key);
  assert.deepEqual([second.entry.id, second.entry.end], [null, null]);
  assert.equal(desk.open().begin(0, '1').key, second.key);
});

test('keys differ between exports, contents and journals', () => {
  using desk = new Desk();
  using other = new Desk();
  const journal = desk.open();
  const keys = [
    journal.begin(0, '1').key,
    journal.begin(1, '1').key,
    other.open().begin(0, '1').key,
    Journal.none(ERRAND, () => 0).begin(0, '1').key,
  ];
  assert.equal(new Set(keys).size, keys.length);
  for (const key of keys) assert.match(key, /^[\x21-\x7e]{20,255}$/);
});

test('an input that has changed is told, and nothing of it is sent', () => {
  using desk = new Desk();
  desk.open().begin(3, '1');
  assert.throws(() => desk.open().begin(3, '2'), /input has changed.*export 4.*--fresh/);
});

test('a journal of another errand is not gone on with', () => {
  using desk = new Desk();
  desk.open();
  assert.throws(() => desk.open({ to: 'https://b.example/in' }), /--to https:\/\/a\.example\/in.*--fresh/);
  assert.throws(() => desk.open({ url: 'http://x' }), /--url http:\/\/127\.0\.0\.1:8080/);
  assert.throws(() => desk.open({ attemptsMax: 1 }), /--attempts-max left out/);
  for (const client of ['another', null])
    assert.throws(() => desk.open({ client }), /with the token of another app/);
  Journal.forget(desk.path);
  desk.open({ client: 'another' });
});

test('half a last line counts for nothing, and the next one begins a line of its own', () => {
  using desk = new Desk();
  const { key } = desk.open().begin(0, '1');
  appendFileSync(desk.path, '["accepted",0,17');
  const journal = desk.open();
  const again = journal.begin(0, '1');
  assert.deepEqual([again.key, again.entry.id], [key, null]);
  journal.accepted(0, 'id');
  assert.equal(desk.open().begin(0, '1').entry.id, 'id');
});

test('a run that was killed while it wrote the first line has begun nothing', () => {
  using desk = new Desk();
  writeFileSync(desk.path, '{"journal":"export-ser');
  desk.open().begin(0, '1');
  assert.equal(readFileSync(desk.path, 'utf8').split('\n').length, 3);
});

test('what is no journal is left alone', () => {
  using desk = new Desk();
  for (const text of ['hello\n', 'no line at all', '{"steps":1}', '{"journal":"other"}\n', '[]\n', '1\n']) {
    writeFileSync(desk.path, text);
    assert.throws(() => desk.open(), /is no journal of this command/);
    assert.throws(() => Journal.forget(desk.path), /is no journal of this command/);
    assert.equal(readFileSync(desk.path, 'utf8'), text);
  }
  rmSync(desk.path);
  Journal.forget(desk.path);
  desk.open();
  for (const line of ['nonsense', '["accepted",5,1,"id"]', '{"a":1}']) {
    const text = readFileSync(desk.path, 'utf8');
    appendFileSync(desk.path, `${line}\n`);
    assert.throws(() => desk.open(), /is no journal/);
    writeFileSync(desk.path, text);
  }
});

test('after a day, what nobody heard of is not sent again; everything that is known still is', () => {
  using desk = new Desk();
  const journal = desk.open();
  journal.begin(0, '1');
  journal.accepted(0, 'id');
  desk.now += 2 * DAY_MS;
  assert.equal(desk.open().begin(0, '1').entry.id, 'id');

  desk.open().begin(1, '2');
  desk.now += DAY_MS / 2;
  // What another run does meanwhile makes the key no younger.
  desk.open().begin(2, '3');
  desk.now += DAY_MS / 2 - 3_600_000 - 1;
  desk.open();
  desk.now += 1;
  assert.throws(() => desk.open(), /more than a day old, and of 1 of its exports \(number 2\)/);
});

test('only its owner can read a journal, and removing it twice is harmless', () => {
  using desk = new Desk();
  const journal = desk.open();
  assert.equal(statSync(desk.path).mode & 0o777, 0o600);
  journal.remove();
  journal.remove();
  assert.equal(existsSync(desk.path), false);
});

test('the journals of two destinations do not meet', () => {
  const [one, other] = ['https://a.example/in', 'https://b.example/in'].map((to) =>
    journalPath('day.json', to),
  );
  assert.match(one ?? '', /^day\.json\.[0-9a-f]{8}\.send-journal$/);
  assert.notEqual(one, other);
});
