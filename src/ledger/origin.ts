import { checkName } from './note-name.ts';

/** Random bytes at the end of an origin: two boxes of one name never get the same. */
export const ORIGIN_RANDOM_BYTES = 8;

/** Longest name that is taken over into an origin, as of a host in the DNS. */
const NAME_LENGTH_MAX = 253;

/**
 * The origin of a new log: `NAME/export/RANDOM`, such as `box.example/export/3f9c51d07a2be884`. It is a log's identity
 * for good: a log that goes on after a restore has another one.
 *
 * @param name of the service (`--name`); what an origin cannot hold becomes a hyphen
 * @param random {@link ORIGIN_RANDOM_BYTES} of them
 */
export function newOrigin(name: string, random: Uint8Array): string {
  if (random.byteLength !== ORIGIN_RANDOM_BYTES)
    throw new TypeError(`An origin has ${ORIGIN_RANDOM_BYTES} random bytes.`);
  const plain =
    name
      .toLowerCase()
      .slice(0, NAME_LENGTH_MAX)
      .replaceAll(/[^a-z0-9.-]/g, '-') || 'export-service';
  const origin = `${plain}/export/${Buffer.from(random).toString('hex')}`;
  checkName(origin);
  return origin;
}
