/** Steps at which the service kills itself: `kill-at.ts`, preloaded, finds them. */
export const INNER_STEPS = {
  'first start': 'between the statements that make a new store: schema, key, first recovery',
  'key file': 'around the writing of a new master key',
  migration: 'in the rewriting (VACUUM) and the statements that bring an old store to the present schema',
  recovery: 'in the transaction that puts attempts cut off by the last death on record',
  'before commit': 'all of a transaction is done but COMMIT',
  'during commit': 'while COMMIT runs: the log is being written and flushed',
  'after commit': 'committed, and nobody has been told',
  'before send': 'claimed on disk, nothing sent yet',
  'before settle': "the destination's answer is here, the store does not know",
  deletion: 'in the transaction that deletes old results',
  checkpoint: 'while the log is being copied into the database',
} as const;

/** Steps that are seen from outside: the test kills. */
export const OUTER_STEPS = {
  'before answer': 'the destination has the whole request and has not answered',
  stop: 'while a SIGTERM is being obeyed',
  random: 'at any moment from the start of the process on',
} as const;

export type InnerStep = keyof typeof INNER_STEPS;
/** Steps of a start that has something to make or to migrate: each has a part of the matrix of its own. */
export type StartStep = Extract<InnerStep, 'first start' | 'key file' | 'migration'>;
export type Step = InnerStep | keyof typeof OUTER_STEPS;

/** To die when `step` is reached for the `nth` time in the life of a process. */
export interface KillOrder {
  readonly step: InnerStep;
  readonly nth: number;
  /** Of steps that last: how far into it, measured by how long the one before took; in [0, 1). */
  readonly fraction: number;
}

/** The environment variable that carries an order. */
export const ORDER_VARIABLE = 'FAULT_KILL_ORDER';

/** What a process writes to stderr just before it dies by an order. */
export const LAST_WORDS = 'KILL-AT';
