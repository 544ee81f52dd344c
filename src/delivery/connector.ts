import { X509Certificate } from 'node:crypto';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import {
  connect as connectTls,
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import {
  AddressRefusedError,
  addressRefused,
  assertLiteralAllowed,
  type EgressGuard,
  hostOf,
} from './egress-guard.ts';

/** The handshake failed, or the certificate is not one that we trust for this name. */
export class TlsError extends Error {
  override readonly name = 'TlsError';
}

/** No connection came about. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError';
}

/** Where to connect: what a URL says, in the form in which undici hands it to a connector. */
export interface Origin {
  readonly protocol: string;
  /** A name or an address, IPv6 with or without brackets. */
  readonly hostname: string;
  /** Empty for the protocol's own. */
  readonly port: string;
}

export interface ConnectorOptions {
  readonly guard: EgressGuard;
  /** PEM certificates that are trusted besides the usual ones; null for none. */
  readonly destinationCa: string | null;
  /** The port that this service listens on itself; null while it does not. Left out: it never does. */
  readonly ownPort?: () => number | null;
}

/** Told once, with a socket that is ready for a request or with what went wrong. */
export interface SocketEvents {
  /** The host is a name, and its addresses are looked for; not told of an address. */
  onLookUp(): void;
  /** TCP begins. */
  onConnect(): void;
  /** TCP is up; `address` is the far end. With TLS, the handshake begins now. */
  onAddress(address: string): void;
  /** The far end has shown its certificate; whether that is trusted is judged next. */
  onCertificate(certificate: X509Certificate): void;
  onReady(socket: Socket): void;
  /** With an {@link AddressRefusedError}, `NameResolutionError`, {@link ConnectError} or {@link TlsError}. */
  onFailed(error: Error): void;
}

/** Opens sockets to addresses that the guard has allowed, and to no others. */
export class Connector {
  readonly #guard: EgressGuard;
  readonly #ownPort: () => number | null;
  /** Made once: reading the roots takes longer than a handshake. */
  readonly #secureContext: SecureContext;

  /** @throws TypeError when `destinationCa` holds no certificate */
  constructor({ guard, destinationCa, ownPort = () => null }: ConnectorOptions) {
    this.#guard = guard;
    this.#ownPort = ownPort;
    this.#secureContext = createSecureContext({
      minVersion: 'TLSv1.2',
      ...(destinationCa === null ? {} : { ca: [...getCACertificates('default'), checkedPem(destinationCa)] }),
    });
  }

  /**
   * Begins to connect. The socket comes back at once, for the caller to destroy should it no longer want it; null
   * when it had to be refused before there was one.
   */
  open(origin: Origin, events: SocketEvents): Socket | null {
    const host = hostOf(origin);
    try {
      assertLiteralAllowed(host, this.#guard);
    } catch (error) {
      events.onFailed(error as AddressRefusedError);
      return null;
    }
    const isTls = origin.protocol === 'https:';
    if (isIP(host) === 0) events.onLookUp();
    else events.onConnect();
    const socket = isTls ? this.#openTls(host, origin.port) : this.#openTcp(host, origin.port);
    this.#follow(socket, isTls, events);
    return socket;
  }

  #openTcp(host: string, port: string): Socket {
    return connectTcp({ ...this.#target(host, port || '80'), noDelay: true, keepAlive: true });
  }

  #openTls(host: string, port: string): Socket {
    const socket = connectTls({
      ...this.#target(host, port || '443'),
      // The certificate is checked against the name; a name's final dot belongs to DNS alone (RFC 6066, section 3).
      ...(isIP(host) === 0 ? { servername: host.replace(/\.$/, '') } : {}),
      secureContext: this.#secureContext,
      ALPNProtocols: ['http/1.1'],
      // Said aloud, so that NODE_TLS_REJECT_UNAUTHORIZED=0 in some environment changes nothing.
      rejectUnauthorized: true,
    });
    return socket.setNoDelay(true).setKeepAlive(true);
  }

  #target(host: string, port: string) {
    return { host, port: Number(port), lookup: this.#guard.lookup, autoSelectFamily: true } as const;
  }

  #follow(socket: Socket, isTls: boolean, events: SocketEvents): void {
    let isTcpUp = false;
    let isTold = false;
    socket.once('lookup', (error) => {
      if (!error) events.onConnect();
    });
    // Before Node's own listener, which sends the TLS hello, and in it the name that we look for.
    socket.prependOnceListener('connect', () => {
      isTcpUp = true;
      this.#confirmAddress(socket, events);
    });
    // The end of the handshake, before Node's own listener judges the certificate: of one that it refuses nothing is left.
    socket.prependOnceListener('secure', () => {
      const certificate = (socket as TLSSocket).getPeerX509Certificate();
      if (certificate !== undefined) events.onCertificate(certificate);
    });
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      if (socket.destroyed) return;
      isTold = true;
      events.onReady(socket);
    });
    // Stays: a socket that is destroyed with an error later must not bring the process down.
    socket.on('error', (error) => {
      if (isTold) return;
      isTold = true;
      events.onFailed(inPhase(error, isTcpUp));
    });
  }

  /** The lookup has already decided; this would notice if a new version of Node passed it by. */
  #confirmAddress(socket: Socket, events: SocketEvents): void {
    const address = socket.remoteAddress ?? 'unknown';
    try {
      assertLiteralAllowed(address, this.#guard);
      this.#refuseOurselves(socket, address);
      events.onAddress(address);
    } catch (error) {
      socket.destroy(error as AddressRefusedError);
    }
  }

  /**
   * No network that is opened, and no public address of this machine, opens the service to itself: what an app may not
   * ask of us, it could otherwise have us ask. (Behind a port that another machine forwards, nobody can tell.)
   */
  #refuseOurselves(socket: Socket, address: string): void {
    if (socket.remotePort !== this.#ownPort() || !isSameMachine(address, socket.localAddress)) return;
    throw addressRefused('own_service', `${address}:${socket.remotePort} is this service itself`);
  }
}

/** Whether both ends of a connection are here. Connecting to 127.0.0.2 comes from 127.0.0.1. */
function isSameMachine(remote: string, local: string | undefined): boolean {
  return remote === local || (isLoopback(remote) && isLoopback(local));
}

function isLoopback(address: string | undefined): boolean {
  return address !== undefined && /^(?:::ffff:)?127\./.test(address);
}

function checkedPem(pem: string): string {
  try {
    // Node takes a CA that holds no certificate without a word, and then trusts nothing more than before.
    new X509Certificate(pem);
    return pem;
  } catch (cause) {
    throw new TypeError('The CA for destinations holds no PEM certificate.', { cause });
  }
}

/** The same code may mean either: which phase it hit is what tells the developer where to look. */
function inPhase(error: NodeJS.ErrnoException, isTcpUp: boolean): Error {
  if (error instanceof AddressRefusedError || error.name === 'NameResolutionError') return error;
  return isTcpUp
    ? new TlsError(error.message, { cause: error })
    : new ConnectError(error.message, { cause: error });
}
