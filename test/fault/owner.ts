import type { WireNewRule, WireRule } from '../../client/wire.ts';
import { tokenFor } from '../support/service.ts';
import { type Answer, askOnce, untilHeard } from './asking.ts';
import { Random } from './random.ts';
import type { Ration } from './ration.ts';
import type { RecordingDestination } from './recording-destination.ts';
import type { Submissions } from './submissions.ts';

/** Whom the owner's token names. */
export const OWNER = 'owner';
/** The lane whose exports the owner holds, takes back, and has sent once more. */
export const OWNED_LANE = 'owned';
/** Nothing is handed over for it: what a rule says of it shows in the ledger alone. */
const NOBODYS_LANE = 'nobody';
/** The owner decides about one of the last so many: some of these have not ended yet. */
const RECENT = 6;
const NO_LIMIT = 1e12;

/**
 * Something that the owner asked for, each once. `sent`: no answer yet. `unknown`: the answer was lost, and nobody can
 * tell whether it was done.
 */
export interface OwnerAct {
  readonly kind: 'add rule' | 'remove rule' | 'cancel' | 'redeliver';
  /** The export or the rule that it is about; null for a new rule. */
  readonly target: string | null;
  /** What a new rule is to be. */
  readonly rule: WireNewRule | null;
  fate: 'sent' | 'done' | 'refused' | 'unknown';
  /** The id of the new rule, or of the new export. */
  made: string | null;
}

/** Whether it may have been done. */
export function mayBeDone({ fate }: OwnerAct): boolean {
  return fate !== 'refused';
}

export interface OwnerParts {
  readonly seed: string;
  readonly url: string;
  readonly destination: Pick<RecordingDestination, 'urlOf'>;
  readonly submissions: Submissions;
  readonly ration: Ration;
}

/** Makes rules and takes them away, takes exports back and has them sent once more, through every death of the service. */
export class Owner {
  readonly acts: OwnerAct[] = [];
  readonly #parts: OwnerParts;
  readonly #token = tokenFor({ path: '/owner/*', method: '*', client: OWNER });
  /** Rules that are there, as far as the owner knows. */
  readonly #rules: string[] = [];

  constructor(parts: OwnerParts) {
    this.#parts = parts;
  }

  /** Runs until the ration is over; no rule is left then, and all that was held leaves. */
  async run(): Promise<void> {
    const { ration, seed } = this.#parts;
    const random = new Random(seed, OWNER);
    while (await ration.take(OWNER)) await this.#decide(random);
    for (;;) {
      const listed = await this.#ask('GET', '/owner/rules');
      const { items = null } = (listed?.json ?? {}) as { items?: WireRule[] | null };
      if (items?.length === 0) return;
      for (const { id } of items ?? []) await this.#removeRule(id);
    }
  }

  async #decide(random: Random): Promise<void> {
    const recent = this.#parts.submissions.acceptedIn(OWNED_LANE).slice(-RECENT);
    const choice = random.int(0, 3);
    if (recent.length > 0 && choice === 0) await this.#change('cancel', random.pick(recent).id);
    else if (recent.length > 0 && choice === 1) await this.#change('redeliver', random.pick(recent).id);
    else if (this.#rules.length > 0 && random.chance(0.5)) await this.#removeRule(this.#rules[0] as string);
    else await this.#addRule(this.#newRule(random));
  }

  #newRule(random: Random): WireNewRule {
    const { destination } = this.#parts;
    const owned = destination.urlOf(OWNED_LANE);
    const nobodys = destination.urlOf(NOBODYS_LANE);
    return random.pick<WireNewRule>([
      { kind: 'hold', destination: owned },
      { kind: 'budget', destination: owned, limit: NO_LIMIT, unit: 'bytes', per: 'day' },
      { kind: 'block', destination: nobodys, note: 'words that are the owner’s own' },
    ]);
  }

  async #addRule(rule: WireNewRule): Promise<void> {
    const act = this.#begin('add rule', null, rule);
    end(act, await this.#ask('POST', '/owner/rules', rule));
    if (act.made !== null) this.#rules.push(act.made);
  }

  async #removeRule(id: string): Promise<void> {
    const act = this.#begin('remove rule', id);
    end(act, await this.#ask('DELETE', `/owner/rules/${id}`));
    if (act.fate !== 'unknown' && this.#rules.includes(id)) this.#rules.splice(this.#rules.indexOf(id), 1);
  }

  async #change(kind: 'cancel' | 'redeliver', id: string | null): Promise<void> {
    const act = this.#begin(kind, id);
    end(act, await this.#ask('POST', `/owner/exports/${id}/${kind}`, {}));
  }

  #begin(kind: OwnerAct['kind'], target: string | null, rule: WireNewRule | null = null): OwnerAct {
    const act: OwnerAct = { kind, target, rule, fate: 'sent', made: null };
    this.acts.push(act);
    return act;
  }

  #ask(method: 'GET' | 'POST' | 'DELETE', path: string, body?: object): Promise<Answer | null> {
    return untilHeard(() =>
      askOnce(this.#parts.url + path, method, this.#token, body === undefined ? {} : { body }),
    );
  }
}

/** A 503 may come after the store has taken it: the answer reads what was done. */
function end(act: OwnerAct, answer: Answer | null): void {
  if (answer === null || answer.status >= 500) act.fate = 'unknown';
  else if (answer.status >= 400) act.fate = 'refused';
  else act.fate = 'done';
  if (act.fate === 'done' && (act.kind === 'add rule' || act.kind === 'redeliver'))
    act.made = answer?.id ?? null;
}
