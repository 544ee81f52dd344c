import { chmodSync, copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import type { TestArbiter } from './arbiter/test-arbiter.ts';
import { databoxPem, makeAuthority, makeCertificate } from './certificates.ts';

/** The CA of the box that these tests are about. */
export const BOX_CA = makeAuthority();
/** What the box mounts as `DATABOX.pem`. */
export const BOX_PEM = databoxPem(makeCertificate({ issuer: BOX_CA }));

/** A folder that is `/run/secrets` of the service (contract, section 4). */
export class BoxSecrets {
  readonly path: string;

  /** @param path where to make it; it is gone with the folder that it is in */
  constructor(path: string) {
    this.path = path;
    mkdirSync(path);
  }

  /** Mode 0444, as a box mounts secrets. */
  write(name: string, content: string | Uint8Array, mode = 0o444): void {
    this.remove(name);
    writeFileSync(join(this.path, name), content);
    chmodSync(join(this.path, name), mode);
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { force: true });
  }

  /** All that the box of this arbiter mounts. */
  writeAll(arbiter: TestArbiter): void {
    for (const name of ['ARBITER_TOKEN', 'ZMQ_PUBLIC_KEY']) {
      copyFileSync(join(arbiter.secretsDir, name), join(this.path, name));
      chmodSync(join(this.path, name), 0o444);
    }
    this.write('ZMQ_SECRET_KEY', 'of the arbiter and of all stores');
    this.write('DATABOX.pem', BOX_PEM);
    this.write('DATABOX_ROOT_CA', BOX_CA.cert);
  }
}

export interface BoxAnswer {
  readonly status: number;
  readonly json: {
    readonly id?: string;
    readonly code?: string;
    readonly state?: string;
    readonly ext_response?: { readonly status?: string };
  };
}

/** A request of who trusts the CA of the box: a GET, or with a body a POST that waits for the end. */
export async function askBox(url: string, token?: string, body?: object): Promise<BoxAnswer> {
  const dispatcher = new Agent({ connect: { ca: BOX_CA.cert } });
  const headers = token === undefined ? {} : { 'x-api-key': token, prefer: 'wait=30' };
  const init = body === undefined ? {} : { method: 'POST' as const, body: JSON.stringify(body) };
  try {
    const response = await request(url, { ...init, headers, dispatcher });
    const text = await response.body.text();
    return { status: response.statusCode, json: text.startsWith('{') ? JSON.parse(text) : {} };
  } finally {
    await dispatcher.close();
  }
}

/** Resolves when the service has a root key. */
export async function untilReady(url: string): Promise<void> {
  while ((await askBox(`${url}/readyz`)).status !== 200);
}
