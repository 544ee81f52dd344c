import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { followFile, parseHosts, parseSearchRules } from './system-files.ts';

describe('parseHosts', () => {
  it('gathers every address of a name, whatever its case, and leaves comments out', () => {
    const hosts = parseHosts(
      '# made by the box\n127.0.0.1\tlocalhost\n10.0.0.5  NAS.office nas # the new one\n\n::1 localhost\r\n10.0.0.5 nas\nalone\n',
    );
    assert.deepEqual(Object.fromEntries(hosts), {
      localhost: ['127.0.0.1', '::1'],
      'nas.office': ['10.0.0.5'],
      nas: ['10.0.0.5'],
    });
  });
});

describe('parseSearchRules', () => {
  for (const [text, domains, dotsMin] of [
    ['', [], 1],
    ['nameserver 127.0.0.11\noptions edns0 ndots:0\n', [], 0],
    ['search a.test b.test.\noptions ndots:5', ['a.test', 'b.test'], 5],
    ['search a.test\ndomain c.test d.test', ['c.test'], 1],
    ['; search x\nsearch .', [], 1],
    ['search 1 2 3 4 5 6 7\noptions ndots:99', ['1', '2', '3', '4', '5', '6'], 15],
  ] as const) {
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(parseSearchRules(text), { domains, dotsMin }));
  }
});

describe('followFile', () => {
  it('reads a file again when it has changed, and only then', () => {
    using directory = new TemporaryDirectory();
    const path = directory.file('hosts');
    let reads = 0;
    const follow = followFile(path, (text) => {
      reads += 1;
      return text;
    });
    assert.equal(follow(), '');
    writeFileSync(path, 'one');
    assert.deepEqual([follow(), follow(), reads], ['one', 'one', 3]);
    writeFileSync(path, 'another');
    assert.equal(follow(), 'another');
    rmSync(path);
    assert.equal(follow(), '');
  });

  it('takes what it may not read for empty', () => {
    using directory = new TemporaryDirectory();
    const path = directory.file('hosts');
    mkdirSync(path);
    assert.equal(followFile(path, (text) => text)(), '');
  });
});
