import { randomFillSync } from 'node:crypto';
import { v7 as uuidV7 } from 'uuid';

/** Random bytes that an id takes. */
const RANDOM_BYTES = 16;
/** Drawn in advance: asking the system for the bytes of one id takes as long as for those of many. */
const pool = new Uint8Array(256 * RANDOM_BYTES);
let poolUsed = pool.length;

/** Of the present millisecond: ids made within one count up, so that they sort as they were made. */
const last = { msecs: 0, seq: 0 };
const SEQUENCE_MAX = 0xffff_ffff;

/** A new id for an export: a UUID of version 7, later ones sort after earlier ones. */
export function newId(): string {
  const random = randomBytes();
  const now = Date.now();
  if (now > last.msecs) {
    last.msecs = now;
    // The highest bit stays free to be counted into.
    last.seq = new DataView(random.buffer, random.byteOffset).getUint32(6) >>> 1;
  } else if (last.seq < SEQUENCE_MAX) last.seq += 1;
  else {
    last.msecs += 1;
    last.seq = 0;
  }
  return uuidV7({ random, ...last });
}

function randomBytes(): Uint8Array {
  if (poolUsed === pool.length) {
    randomFillSync(pool);
    poolUsed = 0;
  }
  poolUsed += RANDOM_BYTES;
  return pool.subarray(poolUsed - RANDOM_BYTES, poolUsed);
}
