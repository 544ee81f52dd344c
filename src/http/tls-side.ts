import type { Socket } from 'node:net';
import type { SecureContextOptions, TLSSocket, Server as TlsServer } from 'node:tls';

/** Whom the server proves to be: the certificate, with those that lead to its CA, and the key, both in PEM. */
export interface TlsIdentity {
  readonly cert: string;
  readonly key: string;
}

/** What connections are made with. Node's ciphers are kept; its oldest version can be lowered from outside, ours not. */
export function secureContext({ cert, key }: TlsIdentity): SecureContextOptions {
  return { cert, key, minVersion: 'TLSv1.2' };
}

/**
 * What a server that speaks TLS needs beside what `node:https` does.
 *
 * A connection belongs to HTTP only once its handshake is done; before that no time-out of HTTP knows it, and a server
 * that closes waits for it. So handshakes under way are kept here, and cut off when one fails or the server closes.
 */
export class TlsSide implements Disposable {
  readonly #server: TlsServer;
  /** By {@link peerOf}: nothing public leads from a TLS socket to the one below it. */
  readonly #handshakes = new Map<string, Socket>();

  constructor(server: TlsServer) {
    this.#server = server;
    server.on('connection', (socket) => this.#begin(socket));
    server.on('secureConnection', (socket) => this.#handshakes.delete(peerOf(socket)));
    // First of all: an answer in HTTP, as Node's listener would have it written, waits for a handshake that never ends.
    server.prependListener('tlsClientError', (_error: Error, socket: TLSSocket) => socket.destroy());
  }

  /** Handshakes under way. */
  get handshakes(): number {
    return this.#handshakes.size;
  }

  renew(identity: TlsIdentity): void {
    this.#server.setSecureContext(secureContext(identity));
  }

  /** Cuts off handshakes: nothing has been asked over them yet. */
  [Symbol.dispose](): void {
    for (const socket of this.#handshakes.values()) socket.destroy();
  }

  #begin(socket: Socket): void {
    const peer = peerOf(socket);
    this.#handshakes.set(peer, socket);
    socket.once('close', () => {
      if (this.#handshakes.get(peer) === socket) this.#handshakes.delete(peer);
    });
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
