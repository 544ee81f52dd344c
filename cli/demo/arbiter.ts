import { randomUUID } from 'node:crypto';
import {
  CONTENT_FORMATS,
  decodeRequest,
  encodeAnswer,
  MalformedZestError,
  ZEST_CODES,
  type ZestAnswer,
} from '../../src/arbiter/zest.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';

/** What is asked of the arbiter, as far as it matters here. */
type Asked = Pick<ReturnType<typeof decodeRequest>, 'method' | 'path' | 'identity' | 'token' | 'payload'>;

type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json };

/** What the arbiter knows of a component of the box. */
interface Component {
  /** What it proves itself with. */
  readonly key: Json;
  readonly grants: readonly Grant[];
  /** What tokens for it are signed with; empty until it has asked. */
  readonly secret: string;
}

/** What a component may do: a route of another one, and the caveats of the token for it. */
interface Grant {
  readonly route: Json;
  readonly caveats: Json;
}

/** The original raises an exception here, and answers 160. */
class Raised extends Error {}

/**
 * The arbiter of a box, as far as exports need one: who is registered, who may do what, and the tokens for it. The
 * rules and the codes are those of the original, with its holes, so that what works here works in a box; its catalogue
 * and its observing are left out. What it knows is gone when it ends, as in the original.
 */
export class Arbiter {
  readonly #cmKey: Buffer;
  readonly #newSecret: () => string;
  readonly #components = new Map<string, Component>();

  /** @param cmKey what the container manager proves itself with: who has it may do everything */
  constructor(cmKey: string, newSecret: () => string = randomUUID) {
    if (cmKey === '')
      throw new TypeError('An arbiter without a container manager key would let everybody in.');
    this.#cmKey = Buffer.from(cmKey);
    this.#newSecret = newSecret;
  }

  /** One frame asks, one answers: also a frame that is none. */
  answer(frame: Uint8Array): Uint8Array {
    try {
      return encodeAnswer(this.#answer(decodeRequest(frame)));
    } catch (error) {
      const isTheirs =
        error instanceof Raised || error instanceof MalformedZestError || error instanceof RangeError;
      if (!isTheirs) throw error;
      return encodeAnswer(code(ZEST_CODES.internalError));
    }
  }

  #answer(asked: Asked): ZestAnswer {
    const isManager = this.#cmKey.equals(asked.token);
    if (!isManager && !this.#isComponent(asked)) return code(ZEST_CODES.unauthorized);
    switch (`${asked.method} ${asked.path}`) {
      case 'GET /status':
        return code(ZEST_CODES.created);
      case 'GET /store/secret':
        return this.#makeSecret(asked.identity);
      case 'POST /token':
        return this.#judge(asked, ['path', 'method', 'target'], (json) => this.#mint(asked.identity, json));
      default:
        return isManager ? this.#manage(asked) : code(ZEST_CODES.badRequest);
    }
  }

  #isComponent({ identity, token }: Asked): boolean {
    const component = this.#components.get(identity);
    return component !== undefined && Buffer.from(text(component.key)).equals(token);
  }

  /** What only the container manager may. */
  #manage(asked: Asked): ZestAnswer {
    const grant = ['name', 'route.target', 'route.path', 'route.method', 'caveats'];
    switch (`${asked.method} ${asked.path}`) {
      case 'POST /cm/upsert-container-info':
        return this.#judge(asked, ['name', 'type', 'key'], (json) => this.#register(json));
      case 'POST /cm/delete-container-info':
        return this.#judge(asked, ['name'], (json) => this.#remove(json));
      case 'POST /cm/grant-container-permissions':
        return this.#judge(asked, grant, (json) => this.#grant(json));
      case 'POST /cm/revoke-container-permissions':
        return this.#judge(asked, grant, (json) => this.#revoke(json));
      default:
        return code(ZEST_CODES.badRequest);
    }
  }

  /** Goes on with the payload if it is JSON that has all of `members`. */
  #judge({ payload }: Asked, members: readonly string[], goOn: (json: Json) => ZestAnswer): ZestAnswer {
    const json = parseJson(payload);
    if (json === undefined) return code(ZEST_CODES.badRequest);
    if (typeof json !== 'object' || json === null) throw new Raised();
    return members.every((member) => find(json, member) !== undefined)
      ? goOn(json)
      : code(ZEST_CODES.badRequest);
  }

  /** A new one at every call, which replaces the old one. */
  #makeSecret(identity: string): ZestAnswer {
    const component = this.#components.get(identity);
    if (component === undefined) return code(ZEST_CODES.unauthorized);
    const secret = this.#newSecret();
    this.#components.set(identity, { ...component, secret });
    return content(CONTENT_FORMATS.text, secret);
  }

  /** Who was known is registered anew: without grants, and without a secret until it asks for one. */
  #register(json: Json): ZestAnswer {
    const name = text(member(json, 'name'));
    this.#components.set(name, { key: member(json, 'key'), grants: [], secret: '' });
    return content(CONTENT_FORMATS.text, name);
  }

  #remove(json: Json): ZestAnswer {
    this.#components.delete(text(member(json, 'name')));
    return code(ZEST_CODES.deleted);
  }

  #grant(json: Json): ZestAnswer {
    const name = text(member(json, 'name'));
    const component = this.#components.get(name);
    if (component === undefined) return code(ZEST_CODES.unauthorized);
    const grant = { route: member(json, 'route'), caveats: member(json, 'caveats') };
    // The caveats play no part: a second destination for the same route is never granted.
    if (hasRoute(component, grant.route)) return code(ZEST_CODES.notAcceptable);
    return this.#setGrants(name, { ...component, grants: [...component.grants, grant] });
  }

  /** Takes a component's own secret too, as the original does. */
  #revoke(json: Json): ZestAnswer {
    const name = text(member(json, 'name'));
    const component = this.#components.get(name);
    if (component === undefined) return code(ZEST_CODES.unauthorized);
    const route = member(json, 'route');
    const grants = component.grants.filter((grant) => !isSame(grant.route, route));
    return this.#setGrants(name, { ...component, grants, secret: '' });
  }

  #setGrants(name: string, component: Component): ZestAnswer {
    this.#components.set(name, component);
    return content(CONTENT_FORMATS.json, JSON.stringify(component.grants.map(({ route }) => route)));
  }

  #mint(identity: string, json: Json): ZestAnswer {
    const component = this.#components.get(identity);
    if (component === undefined) return code(ZEST_CODES.unauthorized);
    const target = text(member(json, 'target'));
    const secret = this.#components.get(target)?.secret ?? '';
    if (secret === '' || !hasRoute(component, json)) return code(ZEST_CODES.unauthorized);
    const [path, method] = [text(member(json, 'path')), text(member(json, 'method'))];
    const caveats = member(json, 'caveats');
    // The hole: they are compared with those of any grant, and not of the one that has the route.
    if (!component.grants.some((grant) => isSame(grant.caveats, caveats)))
      return code(ZEST_CODES.unauthorized);
    const texts = [`path = ${path}`, `method = ${method}`, `target = ${target}`, ...caveatTexts(caveats)];
    return content(CONTENT_FORMATS.text, tokenOf(secret, texts));
  }
}

/** Neither location nor identifier: nothing in a token says whose it is. */
function tokenOf(secret: string, caveats: readonly string[]): string {
  const token = encode(mint({ rootKey: Buffer.from(secret), identifier: '', caveats }), 'v1');
  return token.padEnd(Math.ceil(token.length / 4) * 4, '=');
}

/** One caveat with one member, `destination` or `observe`, makes it into the token; everything else is dropped. */
function caveatTexts(caveats: Json): string[] {
  if (!Array.isArray(caveats)) throw new Raised();
  const members = caveats.map(membersOf);
  const [first] = members[0] ?? [];
  if (members.length !== 1 || members[0]?.length !== 1 || first === undefined) return [];
  const [name, value] = first;
  return name === 'destination' || name === 'observe' ? [`${name} = ${text(value)}`] : [];
}

function membersOf(json: Json): [string, Json][] {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new Raised();
  return Object.entries(json);
}

function hasRoute({ grants }: Component, wanted: Json): boolean {
  return grants.some(({ route }) => permitsRoute(route, wanted));
}

/** A granted path that ends in `*` is good for every longer one that begins like it. */
function permitsRoute(granted: Json, wanted: Json): boolean {
  const [path, wantedPath] = [text(member(granted, 'path')), text(member(wanted, 'path'))];
  const isPath = path.endsWith('*')
    ? wantedPath.length >= path.length && wantedPath.startsWith(path.slice(0, -1))
    : wantedPath === path;
  return isPath && ['method', 'target'].every((name) => isSame(member(granted, name), member(wanted, name)));
}

function parseJson(payload: Uint8Array): Json | undefined {
  try {
    return JSON.parse(Buffer.from(payload).toString());
  } catch {
    return undefined;
  }
}

/** What is at `a.b`; undefined when there is nothing. */
function find(json: Json, path: string): Json | undefined {
  return path.split('.').reduce<Json | undefined>((inside, name) => {
    if (typeof inside !== 'object' || inside === null || Array.isArray(inside)) return undefined;
    return Object.hasOwn(inside, name) ? (inside as { [name: string]: Json })[name] : undefined;
  }, json);
}

function member(json: Json, name: string): Json {
  const found = find(json, name);
  if (found === undefined) throw new Raised();
  return found;
}

function text(json: Json): string {
  if (typeof json !== 'string') throw new Raised();
  return json;
}

/** The order of members counts, as in the original. */
function isSame(a: Json, b: Json): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function code(value: number): ZestAnswer {
  return { code: value, contentFormat: null, payload: new Uint8Array(0) };
}

function content(contentFormat: number, value: string): ZestAnswer {
  return { code: ZEST_CODES.content, contentFormat, payload: Buffer.from(value) };
}
