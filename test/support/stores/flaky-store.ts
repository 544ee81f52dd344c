import { ExportError } from '../../../src/export/errors.ts';
import type { JobStore } from '../../../src/export/job-store.ts';

/** Steps of a store that decisions of the owner are made of. */
export const DECISION_STEPS = ['addRule', 'removeRule', 'rules', 'endBlocked', 'busyLanes'] as const;
export type DecisionStep = (typeof DECISION_STEPS)[number];
/** Whether the step was done all the same: its answer was lost. */
export type Moment = 'before' | 'after';

type AnyStep = (...args: never[]) => Promise<unknown>;

/** A store that fails when it is told to; all else is as in the one it stands before. */
export class FlakyStore {
  readonly store: JobStore;
  /** Steps that have failed. */
  failures = 0;
  readonly #planned = new Map<DecisionStep, Moment[]>();

  constructor(behind: JobStore) {
    const owner = this.#flaky(behind.owner, ['addRule', 'removeRule', 'rules', 'endBlocked']);
    this.store = this.#flaky(behind, ['busyLanes'], { owner });
  }

  /** The next `times` calls of the step fail. */
  fail(step: DecisionStep, moment: Moment, times = 1): void {
    const planned = this.#planned.get(step) ?? [];
    this.#planned.set(step, [...planned, ...Array<Moment>(times).fill(moment)]);
  }

  /** Nothing more fails. */
  heal(): void {
    this.#planned.clear();
  }

  #flaky<T extends object>(target: T, steps: readonly DecisionStep[], replaced: Partial<T> = {}): T {
    return new Proxy(target, {
      get: (_, name) => {
        if (Object.hasOwn(replaced, name)) return Reflect.get(replaced, name);
        const value = Reflect.get(target, name);
        if (typeof value !== 'function') return value;
        const step = steps.find((each) => each === name);
        return step === undefined ? value.bind(target) : this.#failing(step, value.bind(target));
      },
    });
  }

  #failing(step: DecisionStep, perform: AnyStep): AnyStep {
    return async (...args) => {
      const moment = this.#planned.get(step)?.shift();
      if (moment === undefined) return perform(...args);
      this.failures += 1;
      if (moment === 'after') await perform(...args);
      throw new ExportError('store_unavailable', `The test lets ${step} fail.`);
    };
  }
}
