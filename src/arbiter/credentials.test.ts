import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { readCredentials } from './credentials.ts';

const TOKEN = 'q3h0d1mVw2V7r0Jm3z8m8yq2u1cXx4c6o5b7n9L0aE8=';
/** Has most of the signs that Z85 uses. */
const KEY = 'vl6wu0A@XP?}Or/&BR#LSxn>A+}L)p44/W[wXL3<';

/** Reads these files from a secrets directory of their own; null: not there. */
function read(files: { token?: string | Buffer | null; key?: string | null } = {}) {
  using directory = new TemporaryDirectory();
  const { token = TOKEN, key = KEY } = files;
  if (token !== null) writeFileSync(directory.file('ARBITER_TOKEN'), token);
  if (key !== null) writeFileSync(directory.file('ZMQ_PUBLIC_KEY'), key);
  return readCredentials(directory.path);
}

describe('the credentials for the arbiter', () => {
  it('are the contents of the two files, to the byte', () => {
    const { token, serverKey } = read();
    assert.equal(Buffer.from(token).toString(), TOKEN);
    assert.equal(serverKey, KEY);
    assert.equal(Buffer.from(read({ token: 'secret' }).token).toString(), 'secret');
  });

  it('that are not there are named, and no others take their place', () => {
    assert.throws(() => read({ token: null }), /ARBITER_TOKEN cannot be read \(ENOENT\).*--secrets-dir/);
    assert.throws(() => read({ key: null }), /ZMQ_PUBLIC_KEY cannot be read \(ENOENT\)/);
  });

  it('that are no good are refused by name', () => {
    const bad: [Parameters<typeof read>[0], RegExp][] = [
      [{ token: '' }, /ARBITER_TOKEN is empty/],
      [{ key: '' }, /ZMQ_PUBLIC_KEY is empty/],
      [{ token: `${TOKEN}\n` }, /ARBITER_TOKEN ends in a line break/],
      [{ key: `${KEY}\n` }, /ZMQ_PUBLIC_KEY ends in a line break/],
      [{ token: Buffer.alloc(32, 0xe7) }, /ARBITER_TOKEN holds something else/],
      [{ token: `${TOKEN} ` }, /ARBITER_TOKEN holds something else/],
      [{ key: KEY.slice(1) }, /ZMQ_PUBLIC_KEY does not hold.*40 characters of Z85/],
      [{ key: `${KEY}a` }, /40 characters of Z85/],
      [{ key: KEY.replace('@', '"') }, /40 characters of Z85/],
      [{ key: '#'.repeat(40) }, /40 characters of Z85/],
    ];
    for (const [files, message] of bad) assert.throws(() => read(files), message);
  });

  it('a token has 1,024 characters at most', () => {
    assert.equal(read({ token: 'a'.repeat(1_024) }).token.length, 1_024);
    assert.throws(() => read({ token: 'a'.repeat(1_025) }), /has 1025 bytes/);
  });

  it('no message shows what is in them', () => {
    for (const files of [{ token: `${TOKEN}\n` }, { token: `${TOKEN} ` }, { key: `${KEY}x` }]) {
      try {
        read(files);
        assert.fail('accepted');
      } catch (error) {
        for (const secret of [TOKEN, KEY]) assert.ok(!String(error).includes(secret.slice(0, 8)));
      }
    }
  });
});
