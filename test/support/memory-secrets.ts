import type { KeyRecord, SecretStore } from '../../src/export/job-store.ts';

/** Secrets that last as long as the test. */
export class MemorySecrets implements SecretStore {
  /** When set, every call rejects with it. */
  failure: Error | null = null;
  /** Runs in the middle of every write; what it throws is what becomes of the write. */
  duringWrite: () => void = () => {};
  /** How often something was written. */
  writes = 0;
  /** What was to be recorded with each write that was done. */
  readonly records: KeyRecord[] = [];
  readonly #values = new Map<string, Uint8Array>();

  async get(name: string): Promise<Uint8Array | null> {
    this.#failIfTold();
    return this.#values.get(name) ?? null;
  }

  async putIfAbsent(name: string, value: Uint8Array, record: KeyRecord | null = null): Promise<Uint8Array> {
    await this.replace(name, null, value, record);
    return this.#values.get(name) ?? value;
  }

  async replace(
    name: string,
    expected: Uint8Array | null,
    value: Uint8Array,
    record: KeyRecord | null = null,
  ): Promise<boolean> {
    this.#failIfTold();
    const stored = this.#values.get(name) ?? null;
    const isExpected =
      stored === null || expected === null ? stored === expected : Buffer.compare(stored, expected) === 0;
    if (!isExpected) return false;
    this.duringWrite();
    this.#values.set(name, value);
    if (record !== null) this.records.push(record);
    this.writes += 1;
    return true;
  }

  #failIfTold(): void {
    if (this.failure !== null) throw this.failure;
  }
}
