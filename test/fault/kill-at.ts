/**
 * Preloaded into the service (`node --import`, which its worker threads inherit): kills the process, as `kill -9` does,
 * when the step it was ordered to die at is reached. Nothing else changes, and the service knows nothing of it.
 */
import fs, { writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { constants, DatabaseSync, StatementSync } from 'node:sqlite';
import { isMainThread } from 'node:worker_threads';
import { HttpDeliverer } from '../../src/delivery/http-deliverer.ts';
import { type Fuse, layFuse, now, runWithFuse } from './fuse.ts';
import { type InnerStep, type KillOrder, LAST_WORDS, ORDER_VARIABLE } from './steps.ts';

/** In lives that are to end in a checkpoint there is one after this many commits, instead of one after 1,000 pages. */
const COMMITS_PER_CHECKPOINT = 5;
/** Commits of a first start: the schema, the check of the key, the keys, the recovery. */
const COMMITS_OF_FIRST_START = 4;

/** Counts how often the ordered step was reached. A step belongs to one thread, so each may have its own count. */
class Trap {
  readonly #order: KillOrder;
  #reached = 0;

  constructor(order: KillOrder) {
    this.#order = order;
  }

  isFor(step: InnerStep): boolean {
    return step === this.#order.step;
  }

  /** Passes a moment at which the process may have to die. */
  reach(step: InnerStep): void {
    if (!this.#isDue(step)) return;
    this.#sayLastWords();
    process.kill(process.pid, 'SIGKILL');
  }

  /** Before and after `act`, which runs unless the process dies before it. */
  around<T>(step: InnerStep, act: () => T): T {
    this.reach(step);
    const result = act();
    this.reach(step);
    return result;
  }

  /** Whether a step that lasts is to be died in now; from the ordered one on it is tried each time. */
  isDueToDieIn(step: InnerStep): boolean {
    if (!this.isFor(step)) return false;
    this.#reached += 1;
    if (this.#reached < this.#order.nth) return false;
    this.#sayLastWords();
    return true;
  }

  get fraction(): number {
    return this.#order.fraction;
  }

  #isDue(step: InnerStep): boolean {
    return this.isFor(step) && ++this.#reached === this.#order.nth;
  }

  #sayLastWords(): void {
    writeSync(2, `\n${LAST_WORDS} ${this.#order.step} #${this.#reached}\n`);
  }
}

/** Dies somewhere within a step that lasts, by the hand of another thread. */
class DeathWithin {
  readonly #trap: Trap;
  readonly #step: InnerStep;
  readonly #fuse: Fuse | null;
  #lastMs = 0;
  /** Grows smaller with each time that the step was over before the fuse had burnt down. */
  #haste = 1;

  constructor(trap: Trap, step: InnerStep) {
    this.#trap = trap;
    this.#step = step;
    this.#fuse = trap.isFor(step) ? layFuse() : null;
  }

  run(act: () => void): void {
    if (this.#fuse === null || !this.#trap.isDueToDieIn(this.#step)) {
      const startedAt = now();
      act();
      this.#lastMs = now() - startedAt;
      return;
    }
    this.#lastMs = runWithFuse(this.#fuse, this.#lastMs * this.#trap.fraction * this.#haste, act);
    this.#haste *= 0.8;
  }
}

/** What the statements since BEGIN have told of the transaction. */
interface Transaction {
  deletes: boolean;
  recovers: boolean;
}

function watchWriter(trap: Trap): void {
  const { exec } = DatabaseSync.prototype;
  const commits = new DeathWithin(trap, 'during commit');
  const checkpoints = new DeathWithin(trap, 'checkpoint');
  const transaction: Transaction = { deletes: false, recovers: false };
  let opened: DatabaseSync | null = null;
  let commitCount = 0;

  DatabaseSync.prototype.exec = function (sql) {
    const act = (): void => exec.call(this, sql);
    if (opened === null) {
      opened = this;
      if (trap.isFor('first start')) killInSchema(this, trap, 'first start');
      if (trap.isFor('migration')) killInSchema(this, trap, 'migration');
    }
    if (commitCount === 0) trap.reach('migration');
    if (commitCount < COMMITS_OF_FIRST_START && /^\s*COMMIT/.test(sql)) {
      trap.around('first start', () => commit(act));
      if (commitCount === 1) trap.reach('migration');
    } else if (commitCount < COMMITS_OF_FIRST_START) trap.around('first start', act);
    else if (/^\s*COMMIT/.test(sql)) commit(act);
    else act();
    if (/^\s*BEGIN/.test(sql)) Object.assign(transaction, { deletes: false, recovers: false });
    if (trap.isFor('checkpoint')) checkpointNow(this, sql);
  };

  function commit(act: () => void): void {
    const steps: InnerStep[] = [];
    if (transaction.deletes) steps.push('deletion');
    if (transaction.recovers) steps.push('recovery');
    for (const step of steps) trap.reach(step);
    trap.reach('before commit');
    commits.run(act);
    trap.reach('after commit');
    for (const step of steps) trap.reach(step);
    commitCount += 1;
  }

  /**
   * SQLite checkpoints within the COMMIT that made the log too long, where nobody can say which of the two was hit. So
   * that is switched off, and the very same checkpoint (PASSIVE) is asked for after every few commits, in a call of its
   * own; every other one truncates the log too.
   */
  function checkpointNow(db: DatabaseSync, sql: string): void {
    if (sql.includes('journal_mode')) exec.call(db, 'PRAGMA wal_autocheckpoint = 0');
    if (!/^\s*COMMIT/.test(sql) || commitCount % COMMITS_PER_CHECKPOINT !== 0) return;
    const mode = (commitCount / COMMITS_PER_CHECKPOINT) % 2 === 0 ? 'PASSIVE' : 'TRUNCATE';
    checkpoints.run(() => exec.call(db, `PRAGMA wal_checkpoint(${mode})`));
  }

  watchStatements(trap, transaction);
}

/**
 * SQLite compiles each statement of a script when the one before has been carried out, and asks the authorizer then. So
 * this is between the statements of a migration. VACUUM is such a script too, which makes a whole new database.
 */
function killInSchema(db: DatabaseSync, trap: Trap, step: 'first start' | 'migration'): void {
  const changes: number[] = [
    constants.SQLITE_CREATE_TABLE,
    constants.SQLITE_CREATE_INDEX,
    ...(step === 'migration' ? [constants.SQLITE_ALTER_TABLE, constants.SQLITE_DROP_INDEX] : []),
  ];
  db.setAuthorizer((action) => {
    if (changes.includes(action)) trap.reach(step);
    return constants.SQLITE_OK;
  });
}

/** Finds deletions and recoveries by their statements. */
function watchStatements(trap: Trap, transaction: Transaction): void {
  const { prepare } = DatabaseSync.prototype;
  const { run } = StatementSync.prototype;
  const sqlOf = new WeakMap<StatementSync, string>();

  DatabaseSync.prototype.prepare = function (...args) {
    const statement = prepare.apply(this, args);
    sqlOf.set(statement, args[0]);
    return statement;
  };
  StatementSync.prototype.run = function (this: StatementSync, ...args: unknown[]) {
    const act = () => Reflect.apply(run, this, args);
    if (/^\s*(DELETE FROM (attempts|jobs)|UPDATE jobs SET is_history)\b/.test(sqlOf.get(this) ?? ''))
      transaction.deletes = true;
    // Waits that are too long, which only the recovery shortens.
    if (/^UPDATE jobs SET next_attempt_at = .* next_attempt_at > \?1$/.test(sqlOf.get(this) ?? ''))
      transaction.recovers = true;
    if (transaction.deletes) return trap.around('deletion', act);
    if (transaction.recovers) return trap.around('recovery', act);
    return act();
  };
}

function watchMainThread(trap: Trap): void {
  const { deliver } = HttpDeliverer.prototype;
  HttpDeliverer.prototype.deliver = async function (...args) {
    trap.reach('before send');
    const delivery = await deliver.apply(this, args);
    if (delivery.outcome.kind === 'answered') trap.reach('before settle');
    return delivery;
  };
  if (trap.isFor('key file')) {
    // The only file that the main thread writes by itself.
    const write = fs.writeSync;
    fs.writeSync = ((...args: Parameters<typeof write>) =>
      args[0] <= 2 ? write(...args) : trap.around('key file', () => write(...args))) as typeof write;
    syncBuiltinESMExports();
  }
}

const order = process.env[ORDER_VARIABLE];
if (order !== undefined) {
  const trap = new Trap(JSON.parse(order) as KillOrder);
  if (isMainThread) watchMainThread(trap);
  else watchWriter(trap);
}
