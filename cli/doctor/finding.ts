import type { Config, Env } from '../../src/config.ts';

export type Verdict = 'good' | 'warning' | 'bad' | 'skipped';

/** What one look has shown. */
export interface Finding {
  /** What was looked at. */
  readonly check: 'arbiter' | 'clock' | 'disk' | 'export' | 'root key' | 'service' | 'store' | 'tls';
  readonly verdict: Verdict;
  /** In words, for whoever runs the box. */
  readonly text: string;
  /** What mends it; there when something is to be done. */
  readonly remedy?: string;
}

/** What is looked at. */
export interface Patient {
  readonly config: Config;
  readonly env: Env;
  /** The service's address, without a slash at its end. */
  readonly url: string;
  /** Where the test export goes; null for none. */
  readonly to: string | null;
  /** For the test export; null when one is to be made from the local root key. */
  readonly token: string | (() => string) | null;
  readonly parts: DoctorParts;
}

/** What the looks need from outside; tests pass their own. */
export interface DoctorParts {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly fetch: typeof fetch;
  /** Of the disk that a folder is on. */
  readonly freeBytes: (folder: string) => Promise<number>;
  /** The root key that the service at hand checks tokens with; throws in words when there is none. */
  readonly loadRootKey: (config: Config) => Promise<Uint8Array>;
}

export type Check = (patient: Patient) => Promise<readonly Finding[]>;

export function inWords(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
