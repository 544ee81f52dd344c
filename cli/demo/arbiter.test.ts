/**
 * The demo's arbiter against the original's rules, as they were observed of the original; requests and answers are
 * frames that its own clients write and read (src/arbiter/vectors/zest.json).
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { beforeEach, describe, it } from 'node:test';
import {
  decodeAnswer,
  encodeMessage,
  encodeRequest,
  ZEST_CODES,
  type ZestAnswer,
  type ZestMethod,
} from '../../src/arbiter/zest.ts';
import { Arbiter } from './arbiter.ts';

const SECRET = 'bdcd6cbf-b60e-4b3c-be9f-ff664cbc2372';
const DESTINATION = [{ destination: 'https://a.example/in' }];
const ROUTE = { method: 'POST', path: '/lp/export', target: 'export-service' };
const WANTED = { ...ROUTE, caveats: DESTINATION };

const vectorsOf = (file: string) => JSON.parse(readFileSync(new URL(file, import.meta.url), 'utf8'));
const ZEST: {
  requests: { id: string; hex: string; token: string }[];
  responses: { id: string; hex: string }[];
} = vectorsOf('../../src/arbiter/vectors/zest.json');
const MACAROONS: { vectors: { id: string; token: string }[] } = vectorsOf(
  '../../src/macaroon/vectors/macaroons.json',
);

function vector<T extends { id: string }>(vectors: readonly T[], id: string): T {
  return vectors.find((one) => one.id === id) ?? assert.fail(`no vector ${id}`);
}

const request = (id: string): Buffer => Buffer.from(vector(ZEST.requests, id).hex, 'hex');
const response = (id: string): string => vector(ZEST.responses, id).hex;
/** The keys that the vectors' requests prove themselves with. */
const [CM_KEY, SERVICE_KEY] = ['cm-upsert', 'get-secret-json'].map((id) => vector(ZEST.requests, id).token);

let arbiter: Arbiter;
let secrets: string[];

beforeEach(() => {
  secrets = [SECRET, 'second-secret', 'third-secret'];
  arbiter = new Arbiter(CM_KEY ?? '', () => secrets.shift() ?? assert.fail('no more secrets'));
});

const hexOf = (frame: Uint8Array): string => Buffer.from(frame).toString('hex');

interface Asking {
  readonly method?: ZestMethod;
  readonly identity?: string;
  readonly key?: string | undefined;
}

/** Sends a request; an object goes as JSON. */
function ask(
  path: string,
  payload: unknown,
  { method = 'POST', identity = 'my-app', key }: Asking = {},
): ZestAnswer {
  const frame = encodeRequest({
    method,
    path,
    identity,
    contentFormat: 50,
    token: Buffer.from(key ?? ''),
    payload: Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload)),
  });
  return decodeAnswer(arbiter.answer(frame));
}

/** As the container manager. */
function manage(what: string, payload: unknown): ZestAnswer {
  return ask(`/cm/${what}`, payload, { identity: 'container-manager', key: CM_KEY });
}

const textOf = ({ payload }: ZestAnswer): string => Buffer.from(payload).toString();

function register(name: string, key = `key of ${name}`, type = 'app'): void {
  assert.equal(textOf(manage('upsert-container-info', { name, key, type })), name);
}

function grant(route: object = ROUTE, caveats: unknown = DESTINATION, name = 'my-app'): ZestAnswer {
  return manage('grant-container-permissions', { name, route, caveats });
}

function askToken(wanted: unknown = WANTED, identity = 'my-app'): ZestAnswer {
  return ask('/token', wanted, { identity, key: `key of ${identity}` });
}

function askSecret(identity = 'export-service', key = SERVICE_KEY): ZestAnswer {
  return ask('/store/secret', '', { method: 'GET', identity, key });
}

/** A box in which my-app has been granted an export, and the service has its secret. */
function setUpBox(): void {
  register('export-service', SERVICE_KEY, 'store');
  register('my-app');
  assert.equal(grant().code, ZEST_CODES.content);
  assert.equal(textOf(askSecret()), SECRET);
}

describe('the whole way, in the frames of the original and its clients', () => {
  it('registration, grant, secret and token', () => {
    assert.equal(
      hexOf(arbiter.answer(request('cm-upsert'))),
      `45010000000c00020000${hexOf(Buffer.from('export-service'))}`,
    );
    register('my-app', SERVICE_KEY);
    assert.equal(
      hexOf(arbiter.answer(request('cm-grant'))),
      `45010000000c00020032${hexOf(Buffer.from(JSON.stringify([ROUTE])))}`,
    );
    const answered = hexOf(arbiter.answer(request('get-secret-json')));
    assert.equal(answered, response('secret').slice(0, 20) + hexOf(Buffer.from(SECRET)));
    const token = vector(MACAROONS.vectors, 'ok-zest-ocaml-macaroons').token;
    for (const id of ['post-token', 'post-token-text']) {
      assert.equal(hexOf(arbiter.answer(request(id))), `45010000000c00020000${hexOf(Buffer.from(token))}`);
    }
    assert.equal(hexOf(arbiter.answer(request('post-token-utf8'))), response('unauthorized'));
  });

  it('status, a second grant, revoking and deleting', () => {
    arbiter.answer(request('cm-upsert'));
    register('my-app', SERVICE_KEY);
    assert.equal(hexOf(arbiter.answer(request('get-status'))), response('created'));
    arbiter.answer(request('cm-grant'));
    assert.equal(hexOf(arbiter.answer(request('cm-grant'))), response('not-acceptable'));
    assert.equal(
      hexOf(arbiter.answer(request('cm-revoke'))),
      `45010000000c00020032${hexOf(Buffer.from('[]'))}`,
    );
    assert.equal(hexOf(arbiter.answer(request('cm-delete'))), response('deleted'));
    assert.equal(hexOf(arbiter.answer(request('post-token'))), response('unauthorized'));
  });

  it('a frame that is none, and a request without its options, are answered with 160', () => {
    const noOptions = encodeMessage({ code: 1, token: Buffer.of(), options: [], payload: Buffer.of() });
    for (const frame of [
      Buffer.of(),
      Buffer.from('450100', 'hex'),
      request('get-status').subarray(0, -1),
      noOptions,
    ]) {
      assert.equal(hexOf(arbiter.answer(frame)), response('internal'));
    }
  });
});

describe('who is who', () => {
  it('who is not registered, or has the wrong key, is refused with 129, whatever is asked', () => {
    setUpBox();
    for (const path of ['/status', '/store/secret', '/cm/upsert-container-info', '/nowhere']) {
      for (const [identity, key] of [
        ['nobody', SERVICE_KEY],
        ['export-service', 'wrong'],
        ['export-service', ''],
      ] as const) {
        assert.equal(ask(path, '{}', { method: 'GET', identity, key }).code, ZEST_CODES.unauthorized);
      }
    }
  });

  it('the manager may speak for anybody, and only the manager may manage', () => {
    setUpBox();
    assert.equal(textOf(askSecret('export-service', CM_KEY)), 'second-secret');
    assert.equal(askSecret('nobody', CM_KEY).code, ZEST_CODES.unauthorized);
    const info = { name: 'x', key: 'y', type: 'app' };
    const asApp = ask('/cm/upsert-container-info', info, { key: 'key of my-app' });
    assert.equal(asApp.code, ZEST_CODES.badRequest);
  });

  it('an unknown path or method is 128', () => {
    setUpBox();
    for (const method of ['GET', 'POST', 'DELETE'] as const) {
      assert.equal(ask('/nowhere', '{}', { method, key: CM_KEY }).code, ZEST_CODES.badRequest);
    }
    assert.equal(ask('/store/secret', '', { method: 'DELETE', key: CM_KEY }).code, ZEST_CODES.badRequest);
  });

  it('an arbiter without a manager key does not start: it would let everybody in', () => {
    assert.throws(() => new Arbiter(''), TypeError);
  });
});

describe('the secret', () => {
  it('is a new one at every call, and tokens are signed with the last', () => {
    setUpBox();
    const first = textOf(askToken());
    assert.equal(textOf(askToken()), first, 'the same token for the same secret and caveats');
    assert.equal(textOf(askSecret()), 'second-secret');
    assert.notEqual(textOf(askToken()), first);
  });

  it('is a random UUID where nobody says otherwise', () => {
    arbiter = new Arbiter('cm');
    manageWith('cm', { name: 'export-service', key: 'k', type: 'store' });
    assert.match(textOf(askSecret('export-service', 'k')), /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/);
  });

  it('until it was asked for there is no token; registering and revoking forget it', () => {
    register('export-service', SERVICE_KEY, 'store');
    register('my-app');
    grant();
    assert.equal(askToken().code, ZEST_CODES.unauthorized);
    askSecret();
    assert.equal(askToken().code, ZEST_CODES.content);
    register('export-service', SERVICE_KEY, 'store');
    assert.equal(askToken().code, ZEST_CODES.unauthorized);
    askSecret();
    manage('revoke-container-permissions', { name: 'export-service', route: ROUTE, caveats: [] });
    assert.equal(askToken().code, ZEST_CODES.unauthorized);
  });
});

function manageWith(key: string, info: object): void {
  assert.equal(ask('/cm/upsert-container-info', info, { identity: 'cm', key }).code, ZEST_CODES.content);
}

describe('the token', () => {
  it('is for the route that was granted and for no other', () => {
    setUpBox();
    for (const other of [
      { path: '/export' },
      { method: 'GET' },
      { target: 'my-app' },
      { path: '/lp/export/' },
    ]) {
      assert.equal(askToken({ ...WANTED, ...other }).code, ZEST_CODES.unauthorized, JSON.stringify(other));
    }
  });

  it('needs caveats that are those of a grant, members in their order', () => {
    setUpBox();
    const refused: unknown[] = [[], [{ destination: 'https://b.example/in' }], {}, DESTINATION[0], null];
    for (const caveats of refused) {
      assert.equal(askToken({ ...WANTED, caveats }).code, ZEST_CODES.unauthorized, JSON.stringify(caveats));
    }
    grant({ ...ROUTE, path: '/two' }, [{ destination: 'a', observe: 'b' }]);
    assert.equal(
      askToken({ ...WANTED, caveats: [{ observe: 'b', destination: 'a' }] }).code,
      ZEST_CODES.unauthorized,
    );
  });

  it('has the hole of the original: the caveats of any grant will do', () => {
    setUpBox();
    grant({ method: 'GET', path: '/data', target: 'store' }, []);
    const token = Buffer.from(textOf(askToken({ ...WANTED, caveats: [] })), 'base64url').toString('latin1');
    assert.match(token, /path = \/lp\/export/);
    assert.doesNotMatch(token, /destination/);
  });

  it('drops caveats that it does not know, and all of them when there are several', () => {
    setUpBox();
    const dropped = [
      [{ other: 'x' }],
      [...DESTINATION, { observe: 'y' }],
      [{ destination: 'a', other: 'b' }],
    ];
    for (const [index, caveats] of dropped.entries()) {
      const route = { ...ROUTE, path: `/${index}` };
      grant(route, caveats);
      const token = textOf(askToken({ ...route, caveats }));
      assert.doesNotMatch(Buffer.from(token, 'base64url').toString('latin1'), /destination|other|observe/);
    }
    grant({ ...ROUTE, path: '/observed' }, [{ observe: 'data' }]);
    const observed = textOf(askToken({ ...ROUTE, path: '/observed', caveats: [{ observe: 'data' }] }));
    assert.match(Buffer.from(observed, 'base64url').toString('latin1'), /cid observe = data\n/);
  });

  it('a granted path that ends in * is good for longer ones, and the one asked for is minted', () => {
    setUpBox();
    grant({ ...ROUTE, path: '/x/*' }, []);
    const minted = (path: string) => {
      const answer = askToken({ ...ROUTE, path, caveats: [] });
      return answer.code === ZEST_CODES.content
        ? /path = (.*)/.exec(Buffer.from(textOf(answer), 'base64url').toString('latin1'))?.[1]
        : answer.code;
    };
    assert.equal(minted('/x/y'), '/x/y');
    assert.equal(minted('/x/*'), '/x/*');
    assert.equal(minted('/x/'), ZEST_CODES.unauthorized);
    assert.equal(minted('/y'), ZEST_CODES.unauthorized);
    assert.equal(grant({ ...ROUTE, path: '/x/z' }).code, ZEST_CODES.notAcceptable);
  });

  it('is padded base64url', () => {
    setUpBox();
    const tokens = ['a', 'ab', 'abc'].map((path) => {
      const route = { ...ROUTE, path };
      grant(route, []);
      return textOf(askToken({ ...route, caveats: [] }));
    });
    for (const token of tokens) assert.match(token, /^(?:[\w-]{4})*(?:[\w-]{2}==|[\w-]{3}=|)$/);
    assert.equal(new Set(tokens.map((token) => token.replace(/[^=]/g, ''))).size, 3);
  });

  it('without path, method or target, or not asked for in JSON, is 128; without caveats, or as a scalar, 160', () => {
    setUpBox();
    const { caveats: _, ...noCaveats } = WANTED;
    const cases: [unknown, number][] = [
      [{ ...WANTED, path: undefined }, 128],
      [{ ...WANTED, method: undefined }, 128],
      [{ ...WANTED, target: undefined }, 128],
      ['not json', 128],
      ['', 128],
      ['[]', 128],
      [noCaveats, 160],
      ['"text"', 160],
      ['7', 160],
      ['null', 160],
      [{ ...WANTED, target: 7 }, 160],
    ];
    for (const [wanted, code] of cases) assert.equal(askToken(wanted).code, code, JSON.stringify(wanted));
  });

  it('for nobody, or for a target that nobody is, is 129', () => {
    setUpBox();
    const asManager = ask('/token', WANTED, { identity: 'nobody', key: CM_KEY });
    assert.equal(asManager.code, ZEST_CODES.unauthorized);
    assert.equal(askToken({ ...WANTED, target: 'nobody' }).code, ZEST_CODES.unauthorized);
  });
});

describe('managing', () => {
  it('needs every member; to nobody nothing is granted, and nothing revoked', () => {
    register('my-app');
    assert.equal(manage('upsert-container-info', { name: 'x', key: 'y' }).code, ZEST_CODES.badRequest);
    assert.equal(manage('delete-container-info', {}).code, ZEST_CODES.badRequest);
    assert.equal(
      manage('upsert-container-info', { name: 1, key: 'y', type: 'z' }).code,
      ZEST_CODES.internalError,
    );
    assert.equal(
      manage('grant-container-permissions', { name: 'my-app', route: ROUTE }).code,
      ZEST_CODES.badRequest,
    );
    assert.equal(grant({ path: '/x', target: 'y' }).code, ZEST_CODES.badRequest);
    assert.equal(grant(ROUTE, [], 'nobody').code, ZEST_CODES.unauthorized);
    const revoked = manage('revoke-container-permissions', { name: 'nobody', route: ROUTE, caveats: [] });
    assert.equal(revoked.code, ZEST_CODES.unauthorized);
  });

  it('a second destination for the same route is refused with 134: only the first one works', () => {
    setUpBox();
    assert.equal(grant(ROUTE, [{ destination: 'https://b.example/in' }]).code, ZEST_CODES.notAcceptable);
    assert.equal(askToken({ ...WANTED, caveats: [{ destination: 'https://b.example/in' }] }).code, 129);
  });

  it('a grant answers with all routes; registering anew takes them away', () => {
    register('my-app');
    grant();
    const second = { ...ROUTE, path: '/export' };
    assert.equal(textOf(grant(second)), JSON.stringify([ROUTE, second]));
    register('my-app');
    assert.equal(textOf(grant(second)), JSON.stringify([second]));
  });
});
