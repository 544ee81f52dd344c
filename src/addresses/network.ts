import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

export type Ip = ipaddr.IPv4 | ipaddr.IPv6;

/** A network by name, such as `192.168.0.0/16`. */
export interface Network {
  readonly cidr: string;
  readonly address: Ip;
  readonly prefixBits: number;
}

/** The text names no network. The message is a rule, to go after the name of what holds the text: "must be …". */
export class NetworkError extends Error {
  override readonly name = 'NetworkError';
}

/**
 * Reads a network in CIDR form.
 *
 * @throws NetworkError
 */
export function parseNetwork(cidr: string): Network {
  const [, address = '', prefix = ''] = /^([^/%]+)\/(\d{1,3})$/.exec(cidr) ?? [];
  // node:net first: ipaddr.js also reads 10.1 and 012.0.0.1, which people do not mean.
  const family = isIP(address);
  const prefixBits = Number(prefix);
  if (family === 0 || prefixBits > (family === 4 ? 32 : 128)) {
    throw new NetworkError('must be a network such as 10.0.0.0/8 or fd00::/8');
  }
  const given = ipaddr.parse(address);
  const begin = firstAddress(given, prefixBits);
  // 10.1.2.3/8 may be meant as one machine: opening 16 million instead is not ours to guess.
  if (begin.toString() !== given.toString()) {
    throw new NetworkError(`must begin where the network begins: ${begin}/${prefixBits}`);
  }
  return { cidr, address: given, prefixBits };
}

/** Whether `ip` is in the network. An IPv4 address inside an IPv6 one is not looked for. */
export function contains({ address, prefixBits }: Network, ip: Ip): boolean {
  return ip.kind() === address.kind() && ip.match(address, prefixBits);
}

/** Whether the network lies among the IPv6 addresses that only stand for IPv4 ones (`::ffff:0:0/96`). */
export function isMappedNetwork({ address }: Network): boolean {
  return address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress();
}

function firstAddress(ip: Ip, prefixBits: number): Ip {
  const cidr = `${ip}/${prefixBits}`;
  return ip instanceof ipaddr.IPv4
    ? ipaddr.IPv4.networkAddressFromCIDR(cidr)
    : ipaddr.IPv6.networkAddressFromCIDR(cidr);
}
