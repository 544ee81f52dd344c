import type { StoreKeys } from '../../src/export/job-store.ts';

/** What stores in tests encrypt with. */
export const STORE_KEYS: StoreKeys = { payloadKeys: Buffer.alloc(32, 1), answers: Buffer.alloc(32, 2) };

/** As a service has it by default. */
export const NOT_KEPT = { keepsPayloads: false };
