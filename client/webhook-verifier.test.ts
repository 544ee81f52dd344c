import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { describe, it } from 'node:test';
import { type ReceiverKeys, type WebhookHeaders, WebhookVerifier } from './index.ts';

const NOW = Date.UTC(2026, 0, 1);
const ID = '0197a3c5-0000-7000-8000-000000000001';
const BODY = '{"celsius": 36.60, "room": "Küche"}';

interface Pair {
  readonly privateKey: KeyObject;
  /** base64url. */
  readonly x: string;
  /** As `key show` prints it. */
  readonly text: string;
}

function pairOf(privateKey: KeyObject): Pair {
  const { x = '' } = privateKey.export({ format: 'jwk' });
  return { privateKey, x, text: `whpk_${Buffer.from(x, 'base64url').toString('base64')}` };
}

const ours = pairOf(generateKeyPairSync('ed25519').privateKey);
const another = pairOf(generateKeyPairSync('ed25519').privateKey);

function signatureOf(pair: Pair, id: string, seconds: string, body: string | Uint8Array): string {
  const signed = Buffer.concat([Buffer.from(`${id}.${seconds}.`), Buffer.from(body as string)]);
  return `v1a,${sign(null, signed, pair.privateKey).toString('base64')}`;
}

interface DeliveryOptions {
  readonly id?: string;
  readonly sentAt?: number;
  readonly body?: string | Uint8Array;
  readonly pairs?: readonly Pair[];
}

/** The headers of a good delivery. */
function deliveryHeaders(options: DeliveryOptions = {}): Record<string, string> {
  const { id = ID, sentAt = NOW, body = BODY, pairs = [ours] } = options;
  const seconds = String(Math.floor(sentAt / 1_000));
  return {
    'webhook-id': id,
    'webhook-timestamp': seconds,
    'webhook-signature': pairs.map((pair) => signatureOf(pair, id, seconds, body)).join(' '),
  };
}

function verifier(keys: ReceiverKeys = ours.text, toleranceMs?: number): WebhookVerifier {
  return new WebhookVerifier({ keys, now: () => NOW, ...(toleranceMs === undefined ? {} : { toleranceMs }) });
}

function refused(headers: WebhookHeaders, body: string | Uint8Array = BODY, by = verifier()) {
  return by.verify(headers, body).then(
    () => 'believed',
    (error) => {
      assert.equal(error.name, 'WebhookVerificationError', String(error));
      assert.ok(!error.message.includes('celsius'));
      return error.code as string;
    },
  );
}

describe('a delivery', () => {
  it('is checked as a Request, whose bytes come back with the result', async () => {
    const request = (body: string) =>
      new Request('https://receiver.example/', { method: 'POST', body, headers: deliveryHeaders() });
    const verified = await verifier().verify(request(BODY));
    assert.equal(verified.id, ID);
    assert.equal(new TextDecoder().decode(verified.body), BODY);
    await assert.rejects(verifier().verify(request(`${BODY} `)), { code: 'no_matching_signature' });
    await assert.rejects(verifier().verify(deliveryHeaders() as never), TypeError);
  });

  it('that is signed with a known key is what it says', async () => {
    const verified = await verifier().verify(deliveryHeaders(), BODY);
    assert.deepEqual(verified, { id: ID, sentAt: new Date(NOW) });
  });

  it('may come as text, as bytes, or as a part of a larger buffer; its headers as Headers or as an object', async () => {
    const bytes = new TextEncoder().encode(BODY);
    const view = new Uint8Array([1, ...bytes, 2]).subarray(1, -1);
    for (const body of [BODY, bytes, view, Buffer.from(BODY)]) {
      for (const headers of [deliveryHeaders(), new Headers(deliveryHeaders())]) {
        assert.equal((await verifier().verify(headers, body)).id, ID);
      }
    }
  });

  it('may have no body, or one that is no text', async () => {
    for (const body of ['', new Uint8Array([0, 0xff])]) {
      assert.equal((await verifier().verify(deliveryHeaders({ body }), body)).id, ID);
    }
  });

  it('is the one of the reference implementation', async () => {
    // TestAsymmetricWebhookSign of the Go library of standard-webhooks, whose key is a seed in base64.
    const seed = Buffer.from('VEVTVFNJR05JTkdLRVlET05PVFVTRVRISVNGT1JBTlk=', 'base64');
    const pkcs8 = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
    const { text } = pairOf(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
    const headers = {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature':
        'v1a,tQ9V2XOqn7jL/DQenEFpqIugdBVtiMmER5mhSkXBNwM0mkATuDe6KYYUuxqtaiHeYGb7KaaBRdM5WqyeFiL8Ag==',
    };
    const then = new WebhookVerifier({ keys: text, now: () => 1_614_265_330_000 });
    assert.equal((await then.verify(headers, '{"test": 2432232314}')).id, 'msg_p5jXN8AQM9LWM0D4loKWxJek');
  });

  it('is refused when anything of it was changed', async () => {
    const headers = deliveryHeaders();
    const changes: [what: string, headers: Record<string, string>, body: string][] = [
      ['the body', headers, BODY.replace('36.60', '36.6')],
      ['the end of the body', headers, `${BODY}\n`],
      ['the id', { ...headers, 'webhook-id': ID.replace('1', '2') }, BODY],
      ['the time', { ...headers, 'webhook-timestamp': String(NOW / 1_000 + 1) }, BODY],
      [
        'the signature',
        { ...headers, 'webhook-signature': deliveryHeaders({ id: 'x' })['webhook-signature'] ?? '' },
        BODY,
      ],
    ];
    for (const [what, changed, body] of changes) {
      assert.equal(await refused(changed, body), 'no_matching_signature', what);
    }
    assert.equal(await refused(deliveryHeaders({ pairs: [another] })), 'no_matching_signature');
  });

  it('is refused when a border between id, time and body was moved', async () => {
    // The body of an export is the app's to choose: here a number that looks like a time and a body.
    const body = `${NOW / 1_000}.5`;
    const headers = deliveryHeaders({ body });
    assert.equal(await refused(headers, body), 'believed');
    const moved = { ...headers, 'webhook-id': `${ID}.${NOW / 1_000}` };
    assert.equal(await refused(moved, '5'), 'malformed_header');
  });

  for (const name of ['webhook-id', 'webhook-timestamp', 'webhook-signature']) {
    it(`is refused without ${name}`, async () => {
      const { [name]: _, ...others } = deliveryHeaders();
      assert.equal(await refused(others), 'missing_header');
      assert.equal(await refused(new Headers(others)), 'missing_header');
      assert.equal(await refused({ ...others, [name]: '' }), 'missing_header');
      assert.equal(await refused({ ...others, [name]: ['1', '2'] }), 'malformed_header');
    });
  }

  for (const time of ['now', '-1', '1.5', '1e9', '0x10', '9'.repeat(13), ' 1']) {
    it(`is refused with a time that is none: "${time}"`, async () => {
      assert.equal(await refused({ ...deliveryHeaders(), 'webhook-timestamp': time }), 'malformed_header');
    });
  }

  it('is believed for five minutes, to the edge, in either direction', async () => {
    const minutes = 5 * 60_000;
    assert.equal(await refused(deliveryHeaders({ sentAt: NOW - minutes })), 'believed');
    assert.equal(await refused(deliveryHeaders({ sentAt: NOW - minutes - 1_000 })), 'too_old');
    assert.equal(await refused(deliveryHeaders({ sentAt: NOW + minutes })), 'believed');
    assert.equal(await refused(deliveryHeaders({ sentAt: NOW + minutes + 1_000 })), 'too_new');
    const patient = verifier(ours.text, 86_400_000);
    assert.equal(await refused(deliveryHeaders({ sentAt: NOW - 86_400_000 }), BODY, patient), 'believed');
  });
});

describe('several signatures', () => {
  it('are good when one of them is, by the old key or the new one', async () => {
    const headers = deliveryHeaders({ pairs: [another, ours] });
    for (const keys of [ours.text, another.text, [another.text, ours.text]]) {
      assert.equal(await refused(headers, BODY, verifier(keys)), 'believed');
    }
  });

  it('may be of kinds that are unknown, or nothing at all', async () => {
    const { 'webhook-signature': good = '', ...others } = deliveryHeaders();
    const with_ = (signature: string) => ({ ...others, 'webhook-signature': signature });
    const base64 = good.slice('v1a,'.length);
    assert.equal(await refused(with_(`v1,${base64} v2a,x ${good}`)), 'believed');
    for (const bad of [
      `v1,${base64}`,
      base64,
      'v1a,',
      'v1a',
      'v1a,!!',
      `v1a,${base64.slice(4)}`,
      `V1A,${base64}`,
      ' ',
      ',',
    ]) {
      assert.equal(await refused(with_(bad)), 'no_matching_signature', bad);
    }
  });

  it('are looked at up to eight: more would be work for anybody who asks', async () => {
    const { 'webhook-signature': good = '', ...others } = deliveryHeaders();
    const bad = deliveryHeaders({ pairs: [another] })['webhook-signature'] ?? '';
    const after = (count: number) => ({
      ...others,
      'webhook-signature': [...Array(count).fill(bad), good].join(' '),
    });
    assert.equal(await refused(after(7)), 'believed');
    assert.equal(await refused(after(8)), 'no_matching_signature');
  });
});

describe('the keys of a verifier', () => {
  const jwk = (pair: Pair) =>
    ({ kty: 'OKP', crv: 'Ed25519', x: pair.x, kid: 'k', use: 'sig', alg: 'EdDSA' }) as const;

  it('may be the JWK set of the service; keys for other things in it are left alone', async () => {
    const rsa = { kty: 'RSA', n: 'x', e: 'AQAB' } as never;
    const keys = { keys: [rsa, jwk(another), jwk(ours)] };
    assert.equal(await refused(deliveryHeaders(), BODY, verifier(keys)), 'believed');
    assert.throws(() => verifier({ keys: [rsa] }), /at least one key/);
  });

  it('of such a set are believed up to their exp: after a rotation a stolen old key is worth nothing', async () => {
    const until = (exp: number) => verifier({ keys: [jwk(another), { ...jwk(ours), exp }] });
    assert.equal(await refused(deliveryHeaders(), BODY, until(NOW / 1_000)), 'believed');
    assert.equal(await refused(deliveryHeaders(), BODY, until(NOW / 1_000 - 1)), 'no_matching_signature');
  });

  for (const [what, keys] of Object.entries({
    'an empty list': [],
    'a secret key': [ours.text.replace('whpk_', 'whsk_')],
    'a key without its prefix': [ours.text.slice(5)],
    'a key that is cut': [ours.text.slice(0, -8)],
    'no base64': ['whpk_!'],
    'a JWK that is cut': { keys: [{ ...jwk(ours), x: 'AAAA' }] },
    'a JWK without its key': { keys: [{ ...jwk(ours), x: undefined as never }] },
  } satisfies Record<string, ReceiverKeys>)) {
    it(`are refused at once when they are ${what}, without being shown`, () => {
      assert.throws(
        () => verifier(keys),
        (error) => error instanceof TypeError && !error.message.includes(ours.x.slice(4, 20)),
      );
    });
  }
});
