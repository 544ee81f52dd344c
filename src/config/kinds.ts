import { isIP } from 'node:net';
import { isMappedNetwork, NetworkError, parseNetwork } from '../addresses/network.ts';
import { formatDurationMs, formatSizeBytes, parseDurationMs, parseSizeBytes } from './quantities.ts';

/** What a value looks like where it is shown to people or written as JSON. */
export type Shown = string | number | boolean | null | readonly Shown[];

/** A kind of setting: how its text is read, shown and described. */
export interface Kind<T> {
  /** Stands for the value in `--help`: `--port PORT`. */
  readonly placeholder: string;
  /** What a value must be, to go after "must be". */
  readonly expected: string;
  /** @throws IllFormed */
  parse(text: string): T;
  show(value: T): Shown;
  /** `--flag` alone means true. */
  readonly isBoolean?: boolean;
  /** May be given several times; its text is a comma-separated list. */
  readonly isList?: boolean;
}

/** The text is none of its kind. Whoever knows which setting it was for makes a `UsageError` of it. */
export class IllFormed extends Error {
  override readonly name = 'IllFormed';
  /** The part to show; null when it could hold a secret. */
  readonly shown: string | null;

  /** @param rule goes after the setting's name: "must be …" */
  constructor(rule: string, shown: string | null) {
    super(rule);
    this.shown = shown;
  }
}

function kind<T>(parts: {
  placeholder: string;
  expected: string;
  read: (text: string) => T | null;
  show: (value: T) => Shown;
}): Kind<T> {
  const { placeholder, expected, read, show } = parts;
  return {
    placeholder,
    expected,
    show,
    parse(text) {
      const value = read(text);
      if (value === null) throw new IllFormed(`must be ${expected}`, text);
      return value;
    },
  };
}

interface Bounds {
  readonly min: number;
  readonly max: number;
}

function bounded(value: number | null, { min, max }: Bounds): number | null {
  return value !== null && value >= min && value <= max ? value : null;
}

export function integer(bounds: Bounds, placeholder = 'N'): Kind<number> {
  return kind({
    placeholder,
    expected: `a whole number from ${bounds.min} to ${bounds.max}`,
    read: (text) => (/^\d{1,15}$/.test(text) ? bounded(Number(text), bounds) : null),
    show: (value) => value,
  });
}

export const port: Kind<number> = integer({ min: 0, max: 65_535 }, 'PORT');

/** In milliseconds. */
export function durationMs(bounds: Bounds): Kind<number> {
  const range = `${formatDurationMs(bounds.min)} to ${formatDurationMs(bounds.max)}`;
  return kind({
    placeholder: 'DURATION',
    expected: `a duration from ${range} (500ms, 5s, 2m, 1h, 7d)`,
    read: (text) => bounded(parseDurationMs(text), bounds),
    show: formatDurationMs,
  });
}

/** In bytes. */
export function sizeBytes(bounds: Bounds): Kind<number> {
  const range = `${bounds.min} bytes to ${formatSizeBytes(bounds.max)}`;
  return kind({
    placeholder: 'SIZE',
    expected: `a size from ${range} (64KiB, 1MiB, 10GiB, plain bytes)`,
    read: (text) => bounded(parseSizeBytes(text), bounds),
    show: formatSizeBytes,
  });
}

const BOOLEANS = new Map([
  ['true', true],
  ['on', true],
  ['1', true],
  ['false', false],
  ['off', false],
  ['0', false],
]);

export const boolean: Kind<boolean> = {
  ...kind<boolean>({
    placeholder: 'true|false',
    expected: 'true or false',
    read: (text) => BOOLEANS.get(text) ?? null,
    show: (value) => value,
  }),
  isBoolean: true,
};

export function oneOf<const T extends string>(placeholder: string, choices: readonly T[]): Kind<T> {
  return kind({
    placeholder,
    expected: `one of ${choices.join(', ')}`,
    read: (text) => choices.find((choice) => choice === text) ?? null,
    show: (value) => value,
  });
}

/** A file or folder. Relative ones are relative to where the command runs. */
export function path(placeholder: 'FILE' | 'DIR'): Kind<string> {
  return kind({
    placeholder,
    expected: placeholder === 'DIR' ? 'a folder' : 'a file',
    read: (text) => (text === '' || text.includes('\0') ? null : text),
    show: (value) => value,
  });
}

/** Goes into a `target` caveat and an arbiter's header, so it is one visible word. */
export const serviceName: Kind<string> = kind({
  placeholder: 'NAME',
  expected: 'a name of 1 to 255 visible ASCII characters without blanks',
  read: (text) => (/^[\x21-\x7e]{1,255}$/.test(text) ? text : null),
  show: (value) => value,
});

/** Where ZeroMQ connects to. Other transports of it lead to no arbiter. */
export const zestEndpoint: Kind<string> = kind({
  placeholder: 'ENDPOINT',
  expected: 'tcp://HOST:PORT, such as tcp://arbiter:4444',
  read: (text) => (isTcpEndpoint(text) ? text : null),
  show: (value) => value,
});

function isTcpEndpoint(text: string): boolean {
  const [, host = '', digits = ''] = /^tcp:\/\/(.+):(\d{1,5})$/.exec(text) ?? [];
  const [, address] = /^\[(.+)\]$/.exec(host) ?? [];
  const isHost = address === undefined ? isHostName(host) : isIP(address) === 6;
  return isHost && Number(digits) >= 1 && Number(digits) <= 65_535;
}

/** An IPv4 address is one too. */
function isHostName(text: string): boolean {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/.test(text);
}

export const listenAddress: Kind<string> = kind({
  placeholder: 'HOST',
  expected: 'an IP address or a host name, without brackets or port',
  read: (text) => (isIP(text) !== 0 || isHostName(text) ? text : null),
  show: (value) => value,
});

/** Used byte for byte, so nothing is trimmed. */
export const secretText: Kind<string> = {
  placeholder: 'SECRET',
  expected: 'text',
  parse(text) {
    if (text === '') throw new IllFormed('must not be empty', null);
    return text;
  },
  show: (value) => value,
};

/** Where exports are kept. */
export interface StoreLocation {
  readonly kind: 'sqlite';
  readonly path: string;
}

/** A store's URL can hold a password, so no message shows it. */
export const storeLocation: Kind<StoreLocation> = {
  placeholder: 'sqlite:PATH',
  expected: 'sqlite:PATH',
  parse(text) {
    const file = /^sqlite:(.+)$/s.exec(text)?.[1];
    if (file === undefined) throw new IllFormed('must be sqlite:PATH; other stores are not supported', null);
    if (file.startsWith('//')) {
      throw new IllFormed(
        'must be sqlite:PATH without slashes before the path, as in sqlite:/data/exports.db',
        null,
      );
    }
    // SQLite would take these for a database without a file, which a restart empties.
    if (/^(:memory:|file:)/.test(file) || file.includes('\0')) {
      throw new IllFormed(
        'must be sqlite:PATH with the path of a file: what is accepted must outlive a restart',
        null,
      );
    }
    return { kind: 'sqlite', path: file };
  },
  show: (value) => `sqlite:${value.path}`,
};

/** Networks in CIDR form, comma-separated. */
export const networks: Kind<readonly string[]> = {
  placeholder: 'CIDR',
  expected: 'networks such as 10.0.0.0/8 or fd00::/8',
  isList: true,
  parse(text) {
    const parts = text.split(',').map((part) => part.trim());
    for (const part of parts) checkNetwork(part);
    return parts;
  },
  show: (value) => value,
};

/** Where checkpoints of the ledger go too. */
export type CheckpointTarget =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'url'; readonly url: URL };

/** Files and http(s) URLs, comma-separated. Of a URL only what can be no secret is ever shown. */
export const checkpointTargets: Kind<readonly CheckpointTarget[]> = {
  placeholder: 'FILE|URL',
  expected: 'files, or URLs that begin with http: or https:',
  isList: true,
  parse: (text) => text.split(',').map((part) => toTarget(part.trim())),
  show: (value) =>
    value.map((target) =>
      target.kind === 'file' ? target.path : `${target.url.origin}${target.url.pathname}`,
    ),
};

/** @throws IllFormed */
function toTarget(text: string): CheckpointTarget {
  if (text === '' || text.includes('\0')) throw new IllFormed('must name a file or a URL', null);
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return { kind: 'file', path: text };
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    throw new IllFormed('must be a file, or a URL that begins with http: or https:', null);
  return { kind: 'url', url };
}

/** @throws IllFormed */
function checkNetwork(text: string): void {
  try {
    const network = parseNetwork(text);
    if (isMappedNetwork(network)) throw new NetworkError('must be written as the IPv4 network it stands for');
  } catch (error) {
    if (!(error instanceof NetworkError)) throw error;
    throw new IllFormed(error.message, text);
  }
}
