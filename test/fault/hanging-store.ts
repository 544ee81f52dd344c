/** The environment variable that says where the FIFO is that makes commits hang. */
export const HANG_VARIABLE = 'FAULT_HANG_FIFO';

/** What the service writes to stderr when a commit begins to hang. */
export const HANG_WORDS = 'HANG-AT-COMMIT';

/** Environment of a service whose store hangs once there is a FIFO at `path`. */
export function hangingAt(path: string): Record<string, string> {
  const preload = new URL('./hang-at-commit.ts', import.meta.url).href;
  return { NODE_OPTIONS: `--import ${preload}`, [HANG_VARIABLE]: path };
}
