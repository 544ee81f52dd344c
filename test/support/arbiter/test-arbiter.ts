import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Arbiter } from '../../../cli/demo/arbiter.ts';
import { ArbiterServer, type CurveKeys, makeCurveKeys } from '../../../cli/demo/arbiter-server.ts';
import {
  decodeAnswer,
  decodeRequest,
  encodeAnswer,
  encodeRequest,
  ZEST_CODES,
  type ZestAnswer,
} from '../../../src/arbiter/zest.ts';
import { TemporaryDirectory } from '../temporary-store.ts';

/** What an arbiter may do with a request for a secret; null: what it should. */
export type Misbehaviour = (frame: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/** Answers with a code alone, such as 129. */
export function answersCode(code: number): Misbehaviour {
  return () => encodeAnswer({ code, contentFormat: null, payload: new Uint8Array(0) });
}

/** Answers with these bytes, Zest or not. */
export function answersBytes(bytes: string | Uint8Array): Misbehaviour {
  return () => Buffer.from(bytes);
}

const CM_KEY = 'Zk8mS1o3J0b7Qd2u5y9x4w6v8t0r2p4n6l8j0h2f4d0=';
const SERVICE_KEY = 'q3h0d1mVw2V7r0Jm3z8m8yq2u1cXx4c6o5b7n9L0aE8=';
const NAME = 'export-service';

/**
 * An arbiter and the container manager beside it, over real CURVE sockets: the demo's arbiter, which a test can stop,
 * start again with nothing in its memory, and make misbehave.
 */
export class TestArbiter implements AsyncDisposable {
  readonly #keys: CurveKeys = makeCurveKeys();
  readonly #directory = new TemporaryDirectory();
  #arbiter = new Arbiter(CM_KEY);
  #server: ArbiterServer | null = null;
  #endpoint = '';
  readonly #heard: (() => void)[] = [];
  #connections = 0;
  /** How often a secret was asked for, whatever came of it. */
  asks = 0;
  /** What becomes of requests for a secret; null: what should. */
  misbehaviour: Misbehaviour | null = null;

  /** Runs, and knows the service. */
  static async start(): Promise<TestArbiter> {
    const arbiter = await TestArbiter.startUnregistered();
    arbiter.register();
    return arbiter;
  }

  /** Runs, and knows nobody. */
  static async startUnregistered(): Promise<TestArbiter> {
    const arbiter = new TestArbiter();
    writeFileSync(arbiter.#directory.file('ARBITER_TOKEN'), SERVICE_KEY);
    writeFileSync(arbiter.#directory.file('ZMQ_PUBLIC_KEY'), arbiter.#keys.publicKey);
    await arbiter.#listen();
    return arbiter;
  }

  get endpoint(): string {
    return this.#endpoint;
  }

  /** What the box mounts for the service. */
  get secretsDir(): string {
    return this.#directory.path;
  }

  /** The flags of a service in this box, but for its certificate: how it is spoken to is tested elsewhere. */
  get flags(): string[] {
    return ['--arbiter', this.endpoint, '--secrets-dir', this.secretsDir, '--tls', 'off'];
  }

  /** Ends it; its port stays its own. */
  async stop(): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    this.#server = null;
  }

  /** Starts it again where it was, with nothing in its memory; the manager registers the service unless told otherwise. */
  async restart({ isRegistered = true } = {}): Promise<void> {
    await this.stop();
    this.#arbiter = new Arbiter(CM_KEY);
    if (isRegistered) this.register();
    await this.#listen();
  }

  /** The manager makes the service known. */
  register(): void {
    this.#manage('upsert-container-info', { name: NAME, key: SERVICE_KEY, type: 'store' });
  }

  /**
   * A token as an app of the box gets it: registered, granted, asked for.
   *
   * @returns null when the arbiter mints none (129)
   */
  tokenFor(destination: string): string | null {
    return this.#mint({ method: 'POST', path: '/lp/export' }, [{ destination }]);
  }

  /** Registers an app and grants it a destination, as the manager does; its secrets are in the folder then. */
  admit(app: string, destination: string, folder: string): void {
    const key = `key of ${app}`.replaceAll(' ', '-');
    const route = { method: 'POST', path: '/lp/export', target: NAME };
    this.#manage('upsert-container-info', { name: app, key, type: 'app' });
    this.#manage('grant-container-permissions', { name: app, route, caveats: [{ destination }] });
    writeFileSync(join(folder, 'ARBITER_TOKEN'), key);
    writeFileSync(join(folder, 'ZMQ_PUBLIC_KEY'), this.#keys.publicKey);
  }

  /** A token without a destination, as the box's own page gets it. */
  tokenWith(route: { readonly method: string; readonly path: string }): string | null {
    return this.#mint(route, []);
  }

  /** Resolves when a secret has been asked for so often. */
  async asked(times: number): Promise<void> {
    while (this.asks < times) await this.#news();
  }

  /** Resolves when so many clients have connected since it started last. */
  async connected(times: number): Promise<void> {
    while (this.#connections < times) await this.#news();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    this.#directory[Symbol.dispose]();
  }

  async #listen(): Promise<void> {
    const keys = this.#keys;
    const endpoint = this.#endpoint === '' ? {} : { endpoint: this.#endpoint };
    this.#connections = 0;
    const onConnected = (): void => {
      this.#connections += 1;
      this.#tell();
    };
    const answer = (frame: Uint8Array) => this.#answer(frame);
    this.#server = await ArbiterServer.start({ answer, keys, onConnected, ...endpoint });
    this.#endpoint = this.#server.endpoint;
  }

  #answer(frame: Uint8Array): Uint8Array | Promise<Uint8Array> {
    if (decodeRequest(frame).path !== '/store/secret') return this.#arbiter.answer(frame);
    this.asks += 1;
    this.#tell();
    return this.misbehaviour === null ? this.#arbiter.answer(frame) : this.misbehaviour(frame);
  }

  #mint(granted: { readonly method: string; readonly path: string }, caveats: object[]): string | null {
    const app = `for ${granted.path} and ${JSON.stringify(caveats)}`;
    const route = { ...granted, target: NAME };
    this.#manage('upsert-container-info', { name: app, key: app, type: 'app' });
    this.#manage('grant-container-permissions', { name: app, route, caveats });
    const answer = this.#ask('/token', { ...route, caveats }, app, app);
    return answer.code === ZEST_CODES.content ? Buffer.from(answer.payload).toString() : null;
  }

  #news(): Promise<void> {
    return new Promise((resolve) => this.#heard.push(resolve));
  }

  #tell(): void {
    for (const hear of this.#heard.splice(0)) hear();
  }

  #manage(what: string, payload: object): void {
    const { code } = this.#ask(`/cm/${what}`, payload, 'container-manager', CM_KEY);
    if (code !== ZEST_CODES.content) throw new Error(`The manager was answered ${code} to ${what}.`);
  }

  #ask(path: string, payload: object, identity: string, key: string): ZestAnswer {
    const frame = encodeRequest({
      method: 'POST',
      path,
      identity,
      contentFormat: 50,
      token: Buffer.from(key),
      payload: Buffer.from(JSON.stringify(payload)),
    });
    return decodeAnswer(this.#arbiter.answer(frame));
  }
}
