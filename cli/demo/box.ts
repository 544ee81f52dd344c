import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ArbiterClient, type Ask } from '../../src/arbiter/arbiter-client.ts';
import { readCredentials } from '../../src/arbiter/credentials.ts';
import { ZEST_CODES } from '../../src/arbiter/zest.ts';
import { systemClock } from '../../src/export/clock.ts';
import { makeCurveKeys } from './arbiter-server.ts';
import { DemoError } from './demo-process.ts';

/** Made once, by `make.sh` beside them; good for this machine alone. */
const TLS = path.join(import.meta.dirname, 'tls');
const KEY_BYTES = 32;
const SERVICE = 'export-service';

/** The part of a Databox that exports need beside the service: its secrets, and what its container manager does. */
export class Box {
  readonly #folder: string;
  /** What the manager proves itself with to the arbiter. */
  readonly #managerKey: string;

  private constructor(folder: string, managerKey: string) {
    this.#folder = folder;
    this.#managerKey = managerKey;
  }

  /** Makes everybody's secrets, each with a folder of its own as a box mounts it. */
  static async create(folder: string, app: string): Promise<Box> {
    const { publicKey, secretKey } = makeCurveKeys();
    const managerKey = newKey();
    const box = new Box(folder, managerKey);
    await box.#write('arbiter', { ZMQ_PUBLIC_KEY: publicKey, ZMQ_SECRET_KEY: secretKey, CM_KEY: managerKey });
    for (const name of [SERVICE, app])
      await box.#write(name, { ARBITER_TOKEN: newKey(), ZMQ_PUBLIC_KEY: publicKey });
    await copyFile(path.join(TLS, 'localhost.pem'), path.join(box.secretsOf(SERVICE), 'DATABOX.pem'));
    await copyFile(path.join(TLS, 'root-ca.pem'), box.rootCaFile);
    return box;
  }

  /** Certificate, key and public key in one file, as a box makes them for each of its components. */
  get tlsFile(): string {
    return path.join(TLS, 'localhost.pem');
  }

  /** What signed all certificates of the box. */
  get rootCaFile(): string {
    return path.join(this.secretsOf(SERVICE), 'DATABOX_ROOT_CA');
  }

  /** The folder that is `/run/secrets` for one component. */
  secretsOf(name: string): string {
    return path.join(this.#folder, name);
  }

  /** What the container manager does when a component is installed: the arbiter gets to know it. */
  async register(endpoint: string, name: string, type: 'store' | 'app', signal: AbortSignal): Promise<void> {
    const key = await readFile(path.join(this.secretsOf(name), 'ARBITER_TOKEN'), 'utf8');
    await this.#manage(endpoint, 'upsert-container-info', { name, key, type }, signal);
  }

  /** What it does for each address on an app's export whitelist that the owner has agreed to. */
  async grant(endpoint: string, app: string, destination: string, signal: AbortSignal): Promise<void> {
    const route = { method: 'POST', path: '/lp/export', target: SERVICE };
    const grant = { name: app, route, caveats: [{ destination }] };
    await this.#manage(endpoint, 'grant-container-permissions', grant, signal);
  }

  async #manage(endpoint: string, what: string, payload: object, signal: AbortSignal): Promise<void> {
    const { serverKey } = readCredentials(this.secretsOf(SERVICE));
    const credentials = { token: Buffer.from(this.#managerKey), serverKey };
    const identity = 'container-manager';
    const manager = await ArbiterClient.load({
      endpoint,
      identity,
      credentials,
      clock: systemClock,
      resolve: async (name) => assert.fail(`the demo's arbiter has an address and not the name ${name}`),
    });
    const { code } = await manager.ask(asked(`/cm/${what}`, payload), signal);
    if (code !== ZEST_CODES.content) throw new DemoError(`The arbiter answered ${code} to ${what}.`);
  }

  async #write(name: string, secrets: Readonly<Record<string, string>>): Promise<void> {
    await mkdir(this.secretsOf(name), { mode: 0o700 });
    for (const [file, secret] of Object.entries(secrets))
      await writeFile(path.join(this.secretsOf(name), file), secret, { mode: 0o400 });
  }
}

function asked(what: string, payload: object): Ask {
  return { method: 'POST', path: what, payload: Buffer.from(JSON.stringify(payload)) };
}

/** As a box makes them: 32 random bytes in base64. */
function newKey(): string {
  return randomBytes(KEY_BYTES).toString('base64');
}
