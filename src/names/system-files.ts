import { readFileSync, statSync } from 'node:fs';

/** Addresses by lower-case name, in the order of the file. */
export type Hosts = ReadonlyMap<string, readonly string[]>;

/** How a name that may be a short one is completed: resolv.conf(5). */
export interface SearchRules {
  readonly domains: readonly string[];
  /** A name with fewer dots is asked about with the domains first. */
  readonly dotsMin: number;
}

/** resolv.conf(5). */
const SEARCH_DOMAINS_MAX = 6;
const NDOTS_DEFAULT = 1;
const NDOTS_MAX = 15;

/** Reads hosts(5): an address and its names on a line. What cannot be read says nothing. */
export function parseHosts(text: string): Hosts {
  const hosts = new Map<string, string[]>();
  for (const [address, ...names] of rowsOf(text)) {
    for (const name of names) {
      const key = name.toLowerCase();
      const known = hosts.get(key);
      if (known === undefined) hosts.set(key, [address]);
      else if (!known.includes(address)) known.push(address);
    }
  }
  return hosts;
}

/** Reads what resolv.conf(5) says about short names. The servers in it are c-ares's affair. */
export function parseSearchRules(text: string): SearchRules {
  let domains: string[] = [];
  let dotsMin = NDOTS_DEFAULT;
  for (const [keyword, ...values] of rowsOf(text)) {
    if (keyword === 'search') domains = values;
    if (keyword === 'domain') domains = values.slice(0, 1);
    if (keyword !== 'options') continue;
    for (const [, dots] of values.map((value) => /^ndots:(\d+)$/.exec(value) ?? [])) {
      if (dots !== undefined) dotsMin = Math.min(Number(dots), NDOTS_MAX);
    }
  }
  const bare = domains.map((domain) => domain.replace(/\.$/, ''));
  return { domains: bare.filter((domain) => domain !== '').slice(0, SEARCH_DOMAINS_MAX), dotsMin };
}

function rowsOf(text: string): [string, ...string[]][] {
  const rows = text.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  );
  return rows.filter((row): row is [string, ...string[]] => row[0] !== '' && row.length > 1);
}

/**
 * A file that the system may change at any time, read again when it has. Reading takes the main thread, and not the
 * pool: a look costs some microseconds, and the pool's threads are what a slow disk would take from us.
 *
 * @returns what `parse` makes of its text; of a file that cannot be read, as the system does, what it makes of none
 */
export function followFile<T>(path: string, parse: (text: string) => T): () => T {
  let seen: string | null = null;
  let value = parse('');
  return () => {
    const version = versionOf(path);
    if (version === seen) return value;
    value = parse(orNothing(() => readFileSync(path, 'utf8')));
    seen = version;
    return value;
  };
}

function versionOf(path: string): string {
  return orNothing(() => {
    const { ino, size, mtimeMs } = statSync(path);
    return `${ino} ${size} ${mtimeMs}`;
  });
}

function orNothing(read: () => string): string {
  try {
    return read();
  } catch {
    return '';
  }
}
