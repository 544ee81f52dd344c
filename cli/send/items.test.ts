import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { type Format, type Item, itemsOf, openInput } from './items.ts';

async function* noStdin(): AsyncGenerator<Uint8Array> {}

/** The same bytes in chunks of every size must be the same exports. */
async function read(bytes: Uint8Array | string, format: Format = 'auto', chunkSize = 7): Promise<Item[]> {
  const all = Buffer.from(bytes);
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let start = 0; start < all.length; start += chunkSize) yield all.subarray(start, start + chunkSize);
  }
  const items: Item[] = [];
  for await (const item of itemsOf({ name: 'x', bytes: null, chunks: chunks(), format, close() {} })) {
    items.push(item);
  }
  return items;
}

const texts = async (text: string, format?: Format): Promise<(string | null)[]> =>
  (await read(text, format)).map(({ json }) => json);

test('lines are exports byte for byte, without their line ends, and blank lines are none', async () => {
  const text = '{"a": 1.10}\n\n  {"b" :  "ü"} \r\n \t\n3\n"last"';
  for (const chunkSize of [1, 2, 3, 100]) {
    const items = await read(text, 'ndjson', chunkSize);
    assert.deepEqual(
      items.map(({ json, line, index }) => [index, line, json]),
      [
        [0, 1, '{"a": 1.10}'],
        [1, 3, '  {"b" :  "ü"} '],
        [2, 5, '3'],
        [3, 6, '"last"'],
      ],
    );
    assert.equal(
      items.reduce((sum, { bytes }) => sum + bytes, 0),
      Buffer.byteLength(text),
    );
  }
});

test('what an input is shows in its first line', async () => {
  assert.deepEqual(await texts('{\n  "a": 1\n}\n'), ['{\n  "a": 1\n}\n']);
  assert.deepEqual(await texts('\n[\n1,\n2]'), ['\n[\n1,\n2]']);
  assert.deepEqual(await texts('{"a":1}\n'), ['{"a":1}\n']);
  assert.deepEqual(await texts('{"a":1}\n\n\n'), ['{"a":1}\n\n\n']);
  assert.deepEqual(await texts('{"a":1}\n\n{"a":2}\n'), ['{"a":1}', '{"a":2}']);
  assert.deepEqual(await texts('[1]\n[2]'), ['[1]', '[2]']);
  assert.deepEqual(await texts('[1]\n[2]', 'json'), [null]);
  assert.deepEqual(await texts('{\n"a":1}', 'ndjson'), [null, null]);
  for (const nothing of ['', '\n', ' \n \n']) assert.deepEqual(await texts(nothing), []);
  assert.deepEqual(await texts('', 'json'), [null]);
});

test('a line that is no JSON is told with its number, and the others go on', async () => {
  const items = await read(
    Buffer.concat([Buffer.from('1\nnope\n'), Buffer.from([0xff, 0x0a]), Buffer.from('4\n\uFEFF5\n6')]),
    'ndjson',
  );
  assert.deepEqual(
    items.map(({ line, json, problem }) => [line, json ?? problem]),
    [
      [1, '1'],
      [2, 'it is not JSON'],
      [3, 'it is not UTF-8 text'],
      [4, '4'],
      [5, 'it begins with a byte order mark'],
      [6, '6'],
    ],
  );
});

test("a file's name says that it is lines, where nothing else is said", async () => {
  using directory = new TemporaryDirectory();
  const formats: Record<string, string> = {};
  for (const name of ['a.ndjson', 'a.JSONL', 'a.json', 'a']) {
    await writeFile(`${directory.path}/${name}`, '{');
    const input = await openInput(`${directory.path}/${name}`, 'auto', noStdin());
    formats[name] = input.format;
    assert.equal(input.bytes, 1);
    input.close();
  }
  assert.deepEqual(formats, { 'a.ndjson': 'ndjson', 'a.JSONL': 'ndjson', 'a.json': 'auto', a: 'auto' });
  const given = await openInput(`${directory.path}/a.ndjson`, 'json', noStdin());
  assert.equal(given.format, 'json');
  given.close();
});

test('a file that is not there, or is a folder, is told by name', async () => {
  using directory = new TemporaryDirectory();
  await assert.rejects(
    openInput('/no/such', 'auto', noStdin()),
    /^Error: \/no\/such cannot be read: there is no/,
  );
  await assert.rejects(openInput(directory.path, 'auto', noStdin()), /is a folder: name the files in it/);
});
