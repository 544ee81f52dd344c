/**
 * Macaroons as the original reads them (contract, section 2), sentence by sentence; see http.test.ts for the names. The
 * vectors were judged by the original's own libraries; `src/auth/vectors.test.ts` looks at each of them more closely.
 *
 * Method: tokens come in over HTTP, the whole way. Where a vector has another key or path, the authorizer is asked.
 */
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { Authorizer } from '../../src/auth/authorizer.ts';
import { decode, encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { type Answer, DESTINATION, HttpFixture, ROOT_KEY, tokenWith } from '../support/http/http-fixture.ts';
import { TOKEN_VECTORS, type TokenVector, tokenVector } from './vectors.ts';

const FRESH = { id: '', uri: DESTINATION, data: '{}' };

/** Our verdict on a vector for its own request: `accept`, or the code of the refusal. */
function verdictOn({ key_hex, token, context }: TokenVector): string {
  const { target, method, path, destination } = context;
  const key = Buffer.from(key_hex, 'hex');
  const authorizer = new Authorizer({ keys: () => [key], target, requireDestination: true });
  try {
    const verified = authorizer.authenticate(token);
    authorizer.clearRequest(verified, { method, path, now: 0 });
    authorizer.clearDestination(verified, { destination, dataBytes: 2 });
    return 'accept';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
}

/** The answer to a token on `/lp/export`. */
async function answerFor(token: string, uri = DESTINATION): Promise<Answer> {
  await using fixture = await HttpFixture.start();
  return await fixture.send({ path: '/lp/export', token, body: { ...FRESH, uri } });
}

async function statusFor(token: string, uri = DESTINATION): Promise<number> {
  return (await answerFor(token, uri)).status;
}

/** Where the original and we come to different verdicts on a vector, by what they show. */
const DIFFERENT: Readonly<Record<string, { readonly name: string; readonly ours: string }>> = {
  'method-name-upper': { name: 'a caveat METHOD, which is none of ours', ours: 'caveat_refused' },
  'path-wild': { name: 'a path caveat that ends in *, a prefix', ours: 'accept' },
  'policy-no-destination': { name: "no destination caveat: the arbiter's hole", ours: 'destination_missing' },
  'policy-only-destination': { name: 'a destination caveat and no other', ours: 'caveat_missing' },
  'policy-no-path': { name: 'no path caveat', ours: 'caveat_missing' },
  'policy-no-method': { name: 'no method caveat', ours: 'caveat_missing' },
  'policy-empty-destination': { name: 'an empty destination', ours: 'caveat_refused' },
  'enc-standard': { name: 'base64 in the standard alphabet', ours: 'accept' },
  'v2-binary': { name: 'the v2 binary form', ours: 'accept' },
  'empty-key': { name: 'an empty root key, which is a mistake of ours', ours: 'TypeError' },
  'two-signatures': { name: 'a second signature', ours: 'malformed_token' },
  'bytes-after-signature': { name: 'bytes after the signature', ours: 'malformed_token' },
  'cid-after-signature': { name: 'a caveat after the signature', ours: 'malformed_token' },
  'huge-dest-30000': { name: 'a token longer than 8 KiB', ours: 'malformed_token' },
};

describe('2 the vectors', () => {
  const judged = TOKEN_VECTORS.filter(({ original }) => original !== undefined);

  it('are judged as by the original, but for those that are named here', () => {
    assert.ok(judged.length > 100, String(judged.length));
    const different = judged.filter(
      (vector) => (vector.original === 'accept') !== (verdictOn(vector) === 'accept'),
    );
    assert.deepEqual(different.map(({ id }) => id).sort(), Object.keys(DIFFERENT).sort());
  });

  for (const [id, { name, ours }] of Object.entries(DIFFERENT)) {
    const vector = tokenVector(id);
    it(`differs: ${name}: ${ours}, and in the original ${vector.original}`, () => {
      assert.ok(verdictOn(vector).startsWith(ours), verdictOn(vector));
    });
  }

  it('differs: what crashed the original with a 500 is a refusal with a code', () => {
    const crashes = judged.filter(({ id, original }) => original?.startsWith('crash:') && id !== 'v2-binary');
    assert.ok(crashes.length >= 6, String(crashes.length));
    for (const vector of crashes) assert.match(verdictOn(vector), /^(?:malformed|invalid)_token$/, vector.id);
  });
});

describe('2 the format', () => {
  it('is v1: packets of length, key, blank, value and newline, in base64url', async () => {
    const { token, context, key_hex } = tokenVector('ok-zest-ocaml-macaroons');
    assert.deepEqual(Buffer.from(key_hex, 'hex'), ROOT_KEY);
    const packets = Buffer.from(token, 'base64url').toString('latin1');
    assert.ok(
      packets.startsWith(
        '000elocation \n0010identifier \n001acid path = /lp/export\n0016cid method = POST\n0020cid target = export-service\n',
      ),
    );
    assert.equal(await statusFor(token, context.destination), 200);
  });

  it('derives the key by HMAC-SHA256 over the secret as text, never decoded, and chains HMACs', () => {
    const hmac = (key: Uint8Array, text: string) => createHmac('sha256', key).update(text).digest();
    const generator = Buffer.alloc(32);
    generator.write('macaroons-key-generator');
    const derived = createHmac('sha256', generator).update('bdcd6cbf-b60e-4b3c-be9f-ff664cbc2372').digest();
    const caveats = ['path = /lp/export', 'method = POST', 'target = export-service'];
    const signature = [...caveats, 'destination = https://a.example/in'].reduce(hmac, hmac(derived, ''));
    const { token } = tokenVector('ok-zest-ocaml-macaroons');
    assert.deepEqual(Buffer.from(decode(token).signature), signature);
  });

  it('padding is optional', async () => {
    for (const id of ['enc-padded', 'enc-unpadded']) assert.equal(verdictOn(tokenVector(id)), 'accept', id);
    const padded = (identifier: string) => {
      const token = tokenWith({ identifier });
      return token.padEnd(Math.ceil(token.length / 4) * 4, '=');
    };
    for (const identifier of ['', 'a', 'ab']) assert.equal(await statusFor(padded(identifier)), 200);
  });

  it('differs: "=" in the middle, or where no padding belongs, is refused', async () => {
    const token = tokenWith().replace(/=+$/, '');
    for (const bad of [`${token.slice(0, 8)}=${token.slice(8)}`, `${token}===`])
      assert.equal(await statusFor(bad), 401);
  });

  it('differs: both alphabets are read: + and / as well as - and _', async () => {
    const { token, context } = tokenVector('enc-standard');
    assert.match(token, /[+/]/);
    assert.equal(await statusFor(token, context.destination), 200);
  });

  it('the location is not signed', () => {
    assert.equal(verdictOn(tokenVector('tamper-location')), 'accept');
  });

  it('differs: v2 binary and v2 JSON are read', async () => {
    const macaroon = decode(tokenWith());
    for (const format of ['v2', 'v2j'] as const)
      assert.equal(await statusFor(encode(macaroon, format)), 200, format);
  });

  it('third-party caveats always fail', () => {
    assert.equal(verdictOn(tokenVector('third-mj')), 'caveat_refused');
  });

  it('differs: a token has at most 8 KiB and 256 caveats', async () => {
    const more = Array.from({ length: 252 }, () => 'path = *');
    assert.equal(await statusFor(tokenWith({ more })), 200);
    // What we do not mint ourselves: one caveat more, as another library would append it.
    const packets = Buffer.from(tokenWith({ more }), 'base64url');
    const packet = Buffer.from('0011cid path = *\n');
    const end = packets.length - 0x2f;
    const longer = Buffer.concat([packets.subarray(0, end), packet, packets.subarray(end)]);
    assert.equal((await answerFor(longer.toString('base64url'))).json.code, 'malformed_token');
    assert.equal(verdictOn(tokenVector('huge-dest-30000')), 'malformed_token');
  });
});

describe('2 what the arbiters write', () => {
  for (const { id, token, context } of TOKEN_VECTORS.filter((vector) => vector.id.startsWith('ok-zest-'))) {
    it(`a token of the Zest arbiter passes: ${id}`, async () => {
      assert.equal(await statusFor(token, context.destination), 200);
    });
  }

  it('tokens are deterministic: the same secret and caveats give the same bytes', () => {
    const { token } = tokenVector('ok-zest-libmacaroons');
    const caveats = [
      'path = /lp/export',
      'method = POST',
      'target = export-service',
      'destination = https://a.example/in',
    ];
    assert.equal(encode(mint({ rootKey: ROOT_KEY, identifier: '', caveats }), 'v1'), token);
  });

  it('nothing in such a token names the app: two apps with one destination see the same exports', async () => {
    await using fixture = await HttpFixture.start();
    const token = tokenWith({ identifier: '' });
    const { id } = (await fixture.send({ token, body: FRESH })).json;
    assert.equal((await fixture.send({ token: tokenWith({ identifier: '' }), body: { id } })).status, 200);
  });

  it('differs: an export of another destination is not seen, though the client is the same', async () => {
    await using fixture = await HttpFixture.start();
    const { id } = (await fixture.send({ token: tokenWith({ identifier: '' }), body: FRESH })).json;
    const other = tokenWith({ identifier: '', destination: 'https://other.example/' });
    assert.equal((await fixture.send({ token: other, body: { id } })).status, 404);
  });

  it('differs: where a token does name the app (the older Node arbiter), exports are seen under that name alone', async () => {
    await using fixture = await HttpFixture.start();
    const { id } = (await fixture.send({ token: tokenWith({ identifier: 'one' }), body: FRESH })).json;
    assert.equal((await fixture.send({ token: tokenWith({ identifier: 'two' }), body: { id } })).status, 404);
  });

  it('what the Node manager granted does not pass: a list of destinations, and a path with a slash at its end', async () => {
    assert.equal(await statusFor(tokenWith({ destination: `["${DESTINATION}"]` })), 401);
    assert.equal(await statusFor(tokenWith({ path: '/lp/export/' })), 401);
  });
});

describe('2 what is verified', () => {
  it('target, path and destination are compared byte for byte', async () => {
    for (const wrong of [
      { target: 'Export-Service' },
      { path: '/lp/Export' },
      { destination: `${DESTINATION}/` },
      { destination: DESTINATION.toUpperCase() },
    ]) {
      assert.equal(await statusFor(tokenWith(wrong)), 401, JSON.stringify(wrong));
    }
  });

  it('the path is compared without the query', async () => {
    await using fixture = await HttpFixture.start();
    const token = tokenWith({ path: '/lp/export' });
    assert.equal((await fixture.send({ path: '/lp/export?timeout=1', token, body: FRESH })).status, 200);
  });

  it('the method is compared in any case', async () => {
    for (const method of ['post', 'Post']) assert.equal(await statusFor(tokenWith({ method })), 200);
  });

  it('differs: the name "method" is not: METHOD = POST is no caveat that we know', async () => {
    assert.equal(await statusFor(tokenWith({ method: null, more: ['METHOD = POST'] })), 401);
  });

  it('differs: target, method, path and destination must each be there', async () => {
    for (const name of ['target', 'method', 'path', 'destination']) {
      assert.equal(await statusFor(tokenWith({ [name]: null })), 401, name);
    }
  });

  it('the destination is compared as it was sent: no slash is added', async () => {
    const { token } = tokenVector('ok-barehost');
    const bare = 'https://a.example';
    assert.ok(verdictOn(tokenVector('ok-barehost')) === 'accept', token);
    assert.equal(await statusFor(tokenWith({ destination: bare }), bare), 200);
    assert.equal(await statusFor(tokenWith({ destination: bare }), `${bare}/`), 401);
  });

  it('differs: it is not canonicalised: a host in upper case matches itself, and nothing else', async () => {
    const upper = 'https://A.Example/in';
    assert.equal(await statusFor(tokenWith({ destination: upper }), upper), 200);
    assert.equal(await statusFor(tokenWith({ destination: upper }), upper.toLowerCase()), 401);
    assert.equal(await statusFor(tokenWith({ destination: upper.toLowerCase() }), upper), 401);
  });

  it('differs: a path caveat that ends in * is a prefix', async () => {
    for (const [path, status] of [
      ['/lp/*', 200],
      ['*', 200],
      ['/lp/export*', 200],
      ['/export*', 401],
    ] as const) {
      assert.equal(await statusFor(tokenWith({ path })), status, path);
    }
  });

  it('a caveat that is not understood refuses', async () => {
    assert.equal(await statusFor(tokenWith({ more: ['colour = blue'] })), 401);
  });

  it('differs: "time <" and "data-bytes <=" are understood', async () => {
    assert.equal(
      await statusFor(tokenWith({ more: ['time < 2026-03-01T12:00:01Z', 'data-bytes <= 2'] })),
      200,
    );
    assert.equal(await statusFor(tokenWith({ more: ['time < 2026-03-01T12:00:00Z'] })), 401);
    assert.equal(await statusFor(tokenWith({ more: ['data-bytes <= 1'] })), 401);
  });
});
