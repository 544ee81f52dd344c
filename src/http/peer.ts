import type { IncomingMessage } from 'node:http';

/**
 * The address that a request came from; null when its connection is gone already. Behind a proxy it is the proxy's: what
 * a header says of others anybody can write.
 */
export function peerOf({ socket }: IncomingMessage): string | null {
  // An IPv4 address as a socket for both families has it.
  return socket.remoteAddress?.replace(/^::ffff:(?=[\d.]+$)/i, '') ?? null;
}
