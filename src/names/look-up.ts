import type { LookupAddress } from 'node:dns';
import { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { followFile, type Hosts, parseHosts, parseSearchRules, type SearchRules } from './system-files.ts';

/** Questions to name servers; the part of `dns.promises.Resolver` that is needed. */
export type DnsChannel = Pick<Resolver, 'resolve4' | 'resolve6' | 'cancel'>;

/** Where names come from, in the order in which they are asked. */
export interface NameSources {
  hosts(): Hosts;
  search(): SearchRules;
  /** For one lookup: cancelling it stops no other, and nothing is remembered that a name no longer has. */
  openChannel(): DnsChannel;
}

/** `some`: those of IPv4; those of IPv6 are asked for only where there are none. */
export type Wanted = 'all' | 'some';

/** How long one server has before the next is asked. resolv.conf's usual 5 s would leave a second one no time. */
const TRY_MS = 2_000;
const TRIES = 3;

/** The name has no address of this kind, or is not there at all; everything else is no answer. */
const SAYS_NONE = new Set(['ENODATA', 'ENOTFOUND']);
const LOOPBACK = ['127.0.0.1', '::1'];

/**
 * The system's hosts file, then the name servers that it is set up with, which in a container are the box's own. A
 * channel reads resolv.conf as it is made, so a network that changes is noticed.
 */
export function systemNames({ hosts = '/etc/hosts', resolvConf = '/etc/resolv.conf' } = {}): NameSources {
  return {
    hosts: followFile(hosts, parseHosts),
    search: followFile(resolvConf, parseSearchRules),
    openChannel: () => new Resolver({ timeout: TRY_MS, tries: TRIES }),
  };
}

/**
 * The addresses of a name, IPv4 first: many a box has no way out by IPv6. Takes no thread of libuv's pool, as
 * `dns.lookup` does: of its threads two may resolve at a time, so two names whose servers are silent would stop every
 * other's resolution.
 *
 * Where all are wanted, a family about which nobody answered fails the name, as with musl: who asks wants every address
 * that it has, and not those of whichever packet came through.
 *
 * @returns at least one
 * @throws Error with a `code` such as `ENOTFOUND`
 * @throws the signal's reason when it aborts
 */
export async function lookUp(
  name: string,
  sources: NameSources,
  signal: AbortSignal,
  wanted: Wanted = 'all',
): Promise<readonly LookupAddress[]> {
  signal.throwIfAborted();
  const known = withoutAsking(name, sources);
  if (known.length > 0) return known.map(inItsFamily);

  const channel = sources.openChannel();
  const cancel = (): void => channel.cancel();
  signal.addEventListener('abort', cancel);
  try {
    const ask = wanted === 'all' ? askForAll : askForSome;
    return await askInTurn((full) => ask(channel, full), fullNames(name, sources.search()), signal);
  } finally {
    signal.removeEventListener('abort', cancel);
    cancel();
  }
}

function withoutAsking(name: string, sources: NameSources): readonly string[] {
  if (isIP(name) !== 0) return [name];
  const bare = name.replace(/\.$/, '').toLowerCase();
  const listed = (sources.hosts().get(bare) ?? []).filter((address) => isIP(address) !== 0);
  if (listed.length > 0) return listed.toSorted((a, b) => isIP(a) - isIP(b));
  // Nobody outside is asked what this machine is (RFC 6761, section 6.3).
  return bare === 'localhost' || bare.endsWith('.localhost') ? LOOPBACK : [];
}

async function askInTurn(
  ask: (name: string) => Promise<readonly string[]>,
  names: readonly string[],
  signal: AbortSignal,
): Promise<readonly LookupAddress[]> {
  let failure: unknown = Object.assign(new Error(`no address for ${names[0]}`), { code: 'ENOTFOUND' });
  for (const name of names) {
    try {
      const addresses = await ask(name);
      if (addresses.length > 0) return addresses.map(inItsFamily);
    } catch (error) {
      failure = error;
    }
    signal.throwIfAborted();
  }
  throw failure;
}

/** What a name may stand for, in the order of resolv.conf(5). */
export function fullNames(name: string, { domains, dotsMin }: SearchRules): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const completed = domains.map((domain) => `${name}.${domain}`);
  const isWhole = name.split('.').length - 1 >= dotsMin;
  return isWhole ? [name, ...completed] : [...completed, name];
}

async function askForAll(channel: DnsChannel, name: string): Promise<readonly string[]> {
  const families = [channel.resolve4(name), channel.resolve6(name)];
  return (await Promise.all(families.map((family) => family.catch(noneIfSaidSo)))).flat();
}

async function askForSome(channel: DnsChannel, name: string): Promise<readonly string[]> {
  const ipv4 = await channel.resolve4(name).catch(noneIfSaidSo);
  return ipv4.length > 0 ? ipv4 : await channel.resolve6(name).catch(noneIfSaidSo);
}

function noneIfSaidSo(error: NodeJS.ErrnoException): string[] {
  if (SAYS_NONE.has(error.code ?? '')) return [];
  throw error;
}

function inItsFamily(address: string): LookupAddress {
  return { address, family: isIP(address) };
}
