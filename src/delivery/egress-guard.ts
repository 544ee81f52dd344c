import type { LookupAddress, LookupAllOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { contains, type Ip, type Network, parseNetwork } from '../addresses/network.ts';
import type { DestinationPolicy } from '../export/destination.ts';

export interface AddressPolicy {
  /** Networks that are open although they are not on the public internet. */
  readonly allowNetworks: readonly Network[];
}

export type AddressVerdict =
  | { readonly allowed: true }
  | {
      readonly allowed: false;
      /** A stable word: `private`, `loopback`, `metadata` … */
      readonly reason: string;
      /** For people, to be read after "The address". */
      readonly detail: string;
    };

type Refusal = Extract<AddressVerdict, { allowed: false }>;

const ALLOWED: AddressVerdict = { allowed: true };

/** What is not global unicast, after IANA's registry of special-purpose addresses; the first that fits names it. */
const SPECIAL_IPV4 = ranges([
  ['unspecified', '0.0.0.0/8'],
  ['private', '10.0.0.0/8'],
  ['shared', '100.64.0.0/10'],
  ['loopback', '127.0.0.0/8'],
  ['link_local', '169.254.0.0/16'],
  ['private', '172.16.0.0/12'],
  ['protocol_assignment', '192.0.0.0/24'],
  ['documentation', '192.0.2.0/24'],
  ['relay_anycast', '192.88.99.0/24'],
  ['private', '192.168.0.0/16'],
  ['benchmarking', '198.18.0.0/15'],
  ['documentation', '198.51.100.0/24'],
  ['documentation', '203.0.113.0/24'],
  ['multicast', '224.0.0.0/4'],
  ['broadcast', '255.255.255.255/32'],
  ['reserved', '240.0.0.0/4'],
]);

/** Names for what is refused anyway as lying outside 2000::/3, and the special ranges inside it. */
const SPECIAL_IPV6 = ranges([
  ['unspecified', '::/128'],
  ['loopback', '::1/128'],
  ['ipv4_compatible', '::/96'],
  ['discard', '100::/64'],
  ['protocol_assignment', '2001::/23'],
  ['documentation', '2001:db8::/32'],
  ['documentation', '3fff::/20'],
  ['segment_routing', '5f00::/16'],
  ['unique_local', 'fc00::/7'],
  ['link_local', 'fe80::/10'],
  ['site_local', 'fec0::/10'],
  ['multicast', 'ff00::/8'],
]);

const GLOBAL_UNICAST_IPV6 = parseNetwork('2000::/3');

/** Where clouds keep the credentials of a machine. Nothing opens these, in any form. */
const METADATA = new Set(['169.254.169.254', '100.100.100.200', '192.0.0.192', 'fd00:ec2::254']);

/** An IPv6 range whose addresses stand for IPv4 ones. */
interface Embedding {
  readonly network: Network;
  /** Every IPv4 address that the bytes may stand for. */
  read(bytes: readonly number[]): number[][];
  /** Whether what is inside can make the address allowed; otherwise it is read for metadata addresses alone. */
  readonly judgedByInside: boolean;
}

const lastFour = (bytes: readonly number[]): number[][] => [bytes.slice(12, 16)];

/** The readings that name an address; all of them when none does. */
function unlessEmpty(readings: number[][]): number[][] {
  const named = readings.filter(([first]) => first !== 0);
  return named.length === 0 ? readings : named;
}

const EMBEDDINGS: readonly Embedding[] = [
  { network: parseNetwork('::ffff:0:0/96'), judgedByInside: true, read: lastFour },
  { network: parseNetwork('64:ff9b::/96'), judgedByInside: true, read: lastFour },
  {
    // The range leaves it to each translator where in the address the four bytes are (RFC 6052, section 2.2), so
    // every reading must be allowed. One of 0.0.0.0/8 only says that they are elsewhere: nothing is sent there.
    network: parseNetwork('64:ff9b:1::/48'),
    judgedByInside: true,
    read: (bytes) =>
      unlessEmpty([
        [6, 7, 9, 10].map((at) => bytes[at] ?? 0),
        [7, 9, 10, 11].map((at) => bytes[at] ?? 0),
        bytes.slice(9, 13),
        bytes.slice(12, 16),
      ]),
  },
  { network: parseNetwork('2002::/16'), judgedByInside: true, read: (bytes) => [bytes.slice(2, 6)] },
  {
    // Teredo: the server, and the client with every bit turned.
    network: parseNetwork('2001::/32'),
    judgedByInside: true,
    read: (bytes) => [bytes.slice(4, 8), bytes.slice(12, 16).map((byte) => byte ^ 0xff)],
  },
  { network: parseNetwork('::/96'), judgedByInside: false, read: lastFour },
  { network: parseNetwork('::ffff:0:0:0/96'), judgedByInside: false, read: lastFour },
];

/**
 * Decides whether `address` may be connected to: global unicast addresses may, and what `policy` names. An IPv4
 * address inside an IPv6 one is judged as itself. What cannot be read is refused.
 */
export function classifyAddress(address: string, policy: AddressPolicy): AddressVerdict {
  if (address.includes('%')) return refused('scoped', `${address} is valid on one link only`);
  // `ipaddr.js` reads more than the system does ("010.1" is one): only what both take for the same address passes.
  if (isIP(address) === 0) return refused('unparsable', `"${address}" is not an IP address`);
  return classify(address, ipaddr.parse(address), policy);
}

function classify(address: string, ip: Ip, policy: AddressPolicy): AddressVerdict {
  const embedding = ip instanceof ipaddr.IPv6 ? embeddingOf(ip) : undefined;
  const inside = embedding?.read(ip.toByteArray()).map((bytes) => new ipaddr.IPv4(bytes)) ?? [];

  const tunnelled = isatapInside(ip);
  const metadata = [ip, ...inside, ...(tunnelled === undefined ? [] : [tunnelled])].find((candidate) =>
    METADATA.has(candidate.toString()),
  );
  if (metadata !== undefined) return refused('metadata', `${named(address, metadata)} is a metadata service`);

  if (isOpened(ip, policy)) return ALLOWED;
  if (embedding?.judgedByInside) return classifyInside(address, inside, policy);
  const verdict = classifyPlain(address, ip);
  // The prefix and what is inside must both be allowed: which of the two counts is up to the routers on the way.
  if (!verdict.allowed || tunnelled === undefined) return verdict;
  return classifyInside(address, [tunnelled], policy);
}

function classifyInside(
  address: string,
  inside: readonly ipaddr.IPv4[],
  policy: AddressPolicy,
): AddressVerdict {
  for (const ip of inside) {
    const verdict = isOpened(ip, policy) ? ALLOWED : classifyPlain(named(address, ip), ip);
    if (!verdict.allowed) return verdict;
  }
  return ALLOWED;
}

function classifyPlain(name: string, ip: Ip): AddressVerdict {
  const special = ip instanceof ipaddr.IPv4 ? SPECIAL_IPV4 : SPECIAL_IPV6;
  const range = special.find(({ network }) => contains(network, ip));
  if (range !== undefined) {
    return refused(
      range.reason,
      `${name} is in ${range.network.cidr} (${range.reason.replaceAll('_', ' ')})`,
    );
  }
  if (ip instanceof ipaddr.IPv6 && !contains(GLOBAL_UNICAST_IPV6, ip)) {
    return refused('reserved', `${name} is outside ${GLOBAL_UNICAST_IPV6.cidr}, the public addresses`);
  }
  return ALLOWED;
}

/** ISATAP (RFC 5214, section 6.1): an interface identifier that begins so, under any prefix. */
const ISATAP_IDENTIFIERS: ReadonlySet<string> = new Set(['00005efe', '02005efe']);

/** The IPv4 address that a tunnel of ISATAP would send to; undefined where there is none. */
function isatapInside(ip: Ip): ipaddr.IPv4 | undefined {
  const bytes = ip.toByteArray();
  if (!ISATAP_IDENTIFIERS.has(Buffer.from(bytes.slice(8, 12)).toString('hex'))) return undefined;
  return new ipaddr.IPv4(bytes.slice(12, 16));
}

function embeddingOf(ip: ipaddr.IPv6): Embedding | undefined {
  return EMBEDDINGS.find(({ network }) => contains(network, ip));
}

function isOpened(ip: Ip, policy: AddressPolicy): boolean {
  return policy.allowNetworks.some((network) => contains(network, ip));
}

function named(address: string, ip: Ip): string {
  const text = ip.toString();
  return text === address ? address : `${address} (stands for ${text})`;
}

function refused(reason: string, detail: string): Refusal {
  return { allowed: false, reason, detail };
}

function ranges(
  rows: readonly (readonly [reason: string, cidr: string])[],
): { reason: string; network: Network }[] {
  return rows.map(([reason, cidr]) => ({ reason, network: parseNetwork(cidr) }));
}

/** A name or a literal address led to an address that nothing may connect to. */
export class AddressRefusedError extends Error {
  override readonly name = 'AddressRefusedError';
  readonly verdict: Refusal;

  constructor(message: string, verdict: Refusal) {
    super(message);
    this.verdict = verdict;
  }
}

/** The name has no address, or nobody could say. */
export class NameResolutionError extends Error {
  override readonly name = 'NameResolutionError';
  readonly hostname: string;

  constructor(hostname: string, cause: NodeJS.ErrnoException | null) {
    super(
      `The name "${hostname}" could not be resolved (${cause?.code ?? cause?.message ?? 'no address'}).`,
      cause === null ? undefined : { cause },
    );
    this.hostname = hostname;
  }
}

/**
 * Resolves a name to all its addresses, as `dns.lookup` does, which is not for this: it takes a thread of libuv's pool
 * for as long as a name's servers are silent, and of those all lanes together have two.
 */
export type Resolver = (
  hostname: string,
  options: LookupAllOptions,
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

export interface EgressGuardOptions {
  readonly allowHttp: boolean;
  readonly allowNetworks: readonly Network[];
  readonly resolver: Resolver;
}

/** Decides where we may connect: by the URL when an export is taken, by the address when a connection is opened. */
export interface EgressGuard extends DestinationPolicy {
  /**
   * For `net.connect`, in the place of `dns.lookup`: what it hands out is what is connected to, so there is no moment
   * between check and use. One refused address refuses the name, whatever else it resolves to: which one is tried
   * would otherwise be up to whoever owns the name.
   */
  readonly lookup: LookupFunction;
  /** For what never meets `lookup`: literal addresses, and the far end of an open socket. */
  classify(address: string): AddressVerdict;
}

export function createEgressGuard(options: EgressGuardOptions): EgressGuard {
  const classify = (address: string): AddressVerdict => classifyAddress(address, options);
  return {
    classify,
    refusal: (url) => schemeRefusal(url, options.allowHttp) ?? partsRefusal(url, classify),
    lookup: guardedLookup(options.resolver, classify),
  };
}

function schemeRefusal({ protocol }: URL, allowHttp: boolean): string | null {
  if (protocol === 'https:' || (protocol === 'http:' && allowHttp)) return null;
  const kinds = allowHttp ? 'https: or http:' : 'https:';
  const hint = protocol === 'http:' ? "; the box's owner can allow that (--allow-http)" : '';
  return `Destinations are ${kinds} URLs; this one is ${protocol}${hint}.`;
}

function partsRefusal(url: URL, classify: EgressGuard['classify']): string | null {
  if (url.username !== '' || url.password !== '') {
    return 'A destination has no user name and no password in its URL.';
  }
  const host = hostOf(url);
  if (isIP(host) === 0) return null;
  const verdict = classify(host);
  return verdict.allowed ? null : addressRefusal(verdict);
}

function addressRefusal(verdict: Refusal): string {
  return `The address ${verdict.detail}. ${whatToDo(verdict)}`;
}

/** What an owner can open, and what nobody can. */
function whatToDo({ reason }: Refusal): string {
  const isOpenable = !['metadata', 'own_service', 'scoped', 'unparsable'].includes(reason);
  return isOpenable
    ? "Nothing is sent there unless the box's owner opens its network (--allow-network)."
    : 'Nothing is ever sent there.';
}

/** The host as sockets want it: an IPv6 address without its brackets. URL parsing has made literals canonical. */
export function hostOf({ hostname }: { readonly hostname: string }): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
}

/** For what no table of addresses knows: `detail` is to be read after "The address". */
export function addressRefused(reason: string, detail: string): AddressRefusedError {
  const verdict = refused(reason, detail);
  return new AddressRefusedError(addressRefusal(verdict), verdict);
}

/** Throws unless `host` is a name or an allowed literal address: `net.connect` asks no lookup about literals. */
export function assertLiteralAllowed(host: string, guard: EgressGuard): void {
  if (isIP(host) === 0) return;
  const verdict = guard.classify(host);
  if (!verdict.allowed) throw new AddressRefusedError(addressRefusal(verdict), verdict);
}

function guardedLookup(resolver: Resolver, classify: EgressGuard['classify']): LookupFunction {
  return (hostname, options, callback) => {
    resolver(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error !== null || first === undefined) {
        return callback(new NameResolutionError(hostname, error), []);
      }
      const refusal = firstRefusal(addresses, classify);
      if (refusal !== undefined) {
        const message = `The name "${hostname}" resolves to an address that is refused: ${refusal.detail}. ${whatToDo(refusal)}`;
        return callback(new AddressRefusedError(message, refusal), []);
      }
      if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function firstRefusal(
  addresses: readonly LookupAddress[],
  classify: EgressGuard['classify'],
): Refusal | undefined {
  for (const { address } of addresses) {
    const verdict = classify(address);
    if (!verdict.allowed) return verdict;
  }
  return undefined;
}
