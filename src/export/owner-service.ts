import type { Clock } from './clock.ts';
import type { Consent } from './consent.ts';
import { canBeDestination } from './destination.ts';
import { ExportError } from './errors.ts';
import type { ExportJob } from './job.ts';
import type { JobStore, LaneBacklog } from './job-store.ts';
import type { ExportPage, ExportQuery, LaneSummary, OwnedExport } from './owner-store.ts';
import { hasName, type PeerNames, peerText } from './peer-names.ts';
import { type BudgetRule, RULES_MAX, type Rule } from './rules.ts';

/** A rule as the owner asks for it. */
export type NewRule = RuleTarget &
  (
    | { readonly kind: 'block' | 'hold' }
    | ({ readonly kind: 'budget' } & Pick<BudgetRule, 'limit' | 'unit' | 'per'>)
  );

interface RuleTarget {
  readonly app: string | null;
  readonly destination: string | null;
  readonly note: string | null;
}

export interface OwnerServiceParts {
  readonly store: JobStore;
  /** Tells whoever sends that these lanes may send again. */
  readonly resume: (lanes: readonly LaneBacklog[]) => void;
  readonly consent: Consent;
  /** Hears of every rule that is made or taken away, once it counts. */
  readonly onRuleChange?: (change: 'added' | 'removed', rule: Rule) => void;
  /** Left out, submitters are shown by what is on record of them alone. */
  readonly peerNames?: Pick<PeerNames, 'find'>;
  readonly clock: Clock;
  readonly newId: () => string;
  /** What was held ages from its release; in milliseconds. */
  readonly ageMsMax: number;
}

/** Jobs in one commit: few enough that the writer's other work does not feel it. */
const STEP_JOBS = 256;
/** How often is looked whether something that follows from a rule is still to be done, in milliseconds. */
const WATCH_MS = 1_000;
/** How long after its acceptance the submitter of an export still gets a name. */
export const PEER_NAMED_MS_MAX = 10 * 60_000;
export const APP_BYTES_MAX = 8_192;
export const NOTE_LENGTH_MAX = 1_000;

/**
 * What the owner can do: say what may leave, and take back what has not. Every decision counts when it is answered, and
 * is recorded with the name of whoever made it (`by`: the identifier of the owner's token, null when it names nobody).
 */
export class OwnerService {
  readonly #parts: OwnerServiceParts;
  /** As they were last learnt. */
  #rules: readonly Rule[] = [];
  /** What the store was asked to add and has not said whether it did: that counts until it is known. */
  readonly #unsure = new Set<Rule>();
  /** The last step that learns the rules: of two answers of the store the later one is to be the newer. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Whether the store failed, and may hold other rules than these or has not done all that follows from them. */
  #isBehind = false;

  constructor(parts: OwnerServiceParts) {
    this.#parts = parts;
  }

  /** Before anything is sent: the rules of earlier, and what a crash left undone of them. */
  async start(): Promise<void> {
    this.#learn(await this.#parts.store.owner.rules());
    await this.#endBlocked();
  }

  /**
   * A step of what follows from the owner's decisions and could not be done at once: it is tried until it is done.
   * Resolves to when the next is due, in milliseconds.
   */
  async watchRules(): Promise<number> {
    try {
      if (this.#isBehind) await this.#catchUp();
    } catch {
      // The next step tries again; readiness says that the store does not answer.
      this.#isBehind = true;
    }
    return WATCH_MS;
  }

  rules(): Promise<readonly Rule[]> {
    return this.#parts.store.owner.rules();
  }

  /**
   * Makes a rule. When it resolves, nothing that the rule stops leaves any more, and what a block stops has ended; only
   * when the store fails in between does that end a little later.
   *
   * @throws ExportError `invalid_request` for a rule that makes no sense, or one too many; of the store, and then the rule
   *   may have been made
   */
  async addRule(asked: NewRule, by: string | null = null): Promise<Rule> {
    const { clock, newId } = this.#parts;
    checkRule(asked);
    const rule: Rule = { ...asked, id: newId(), createdAt: clock.now() };
    if (!(await this.#inTurn(() => this.#add(rule, by)))) {
      throw new ExportError('invalid_request', `There are ${RULES_MAX} rules, the most there can be.`);
    }
    if (rule.kind === 'block') await this.#endBlockedSoon();
    return rule;
  }

  /**
   * Takes a rule away; what it held leaves.
   *
   * @returns false when there is no such rule
   * @throws ExportError of the store, and then the rule may be gone
   */
  removeRule(id: string, by: string | null = null): Promise<boolean> {
    return this.#inTurn(() => this.#remove(id, by));
  }

  async #remove(id: string, by: string | null): Promise<boolean> {
    const { store, resume, clock, ageMsMax } = this.#parts;
    try {
      const removal = await store.owner.removeRule(id, this.#now(), clock.steady() + ageMsMax, by);
      if (removal === null) return false;
      this.#take(removal.rules);
      resume(removal.lanes);
      return true;
    } catch (error) {
      this.#isBehind = true;
      throw error;
    }
  }

  /**
   * Takes an export back: at once, or, when it is being sent, as soon as it is not. A request that is open ends normally.
   *
   * @throws ExportError `unknown_export`, `already_finished`
   */
  async cancel(id: string, by: string | null = null): Promise<ExportJob> {
    const { store, consent } = this.#parts;
    const result = await store.owner.cancel(id, this.#now(), by);
    if (result === 'requested') consent.cancel(id);
    const [job] = await store.get([id]);
    // It may have been settled before we heard that it was to be.
    if (job?.state !== 'sending') consent.forget(id);
    if (result === 'unknown' || !job) throw unknownExport();
    if (result === 'finished')
      throw new ExportError('already_finished', 'It has ended already: there is nothing left to take back.');
    return job;
  }

  async list(query: ExportQuery): Promise<ExportPage> {
    const { items, next } = await this.#parts.store.owner.list(query);
    return { items: await Promise.all(items.map((item) => this.#withPeerName(item))), next };
  }

  /** @throws ExportError `unknown_export` */
  async find(id: string): Promise<OwnedExport> {
    const found = await this.look(id);
    if (found === null) throw unknownExport();
    return found;
  }

  /** One export; null for an unknown one. */
  async look(id: string): Promise<OwnedExport | null> {
    const found = await this.#parts.store.owner.find(id);
    return found === null ? null : this.#withPeerName(found);
  }

  summary(since: number, until: number): Promise<readonly LaneSummary[]> {
    return this.#parts.store.owner.summary(since, until);
  }

  /**
   * The first export from an address is taken in before its name is known. It is looked up when the export is shown, unless
   * that is so long after that another may have the address.
   */
  async #withPeerName(found: OwnedExport): Promise<OwnedExport> {
    const { peerNames, clock } = this.#parts;
    const { peer, job } = found;
    const isRecent = clock.now() - job.acceptedAt < PEER_NAMED_MS_MAX;
    if (peerNames === undefined || peer === null || hasName(peer) || !isRecent) return found;
    return { ...found, peer: peerText(peer, await peerNames.find(peer)) };
  }

  /** False when there are too many. */
  async #add(rule: Rule, by: string | null): Promise<boolean> {
    this.#unsure.add(rule);
    this.#tellConsent();
    try {
      const rules = await this.#parts.store.owner.addRule(rule, by);
      this.#unsure.delete(rule);
      this.#take(rules ?? this.#rules);
      return rules !== null;
    } catch (error) {
      this.#isBehind = true;
      throw error;
    }
  }

  /** Reads the rules anew, and does what follows from them. */
  async #catchUp(): Promise<void> {
    const { store, resume, clock } = this.#parts;
    this.#isBehind = false;
    await this.#inTurn(async () => {
      const rules = await store.owner.rules();
      this.#unsure.clear();
      this.#take(rules);
    });
    resume(await store.busyLanes(clock.steady()));
    await this.#endBlocked();
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step);
    this.#turn = done.catch(() => {});
    return done;
  }

  /** The rules as they are by now; whoever wants to hears what has changed. */
  #take(now: readonly Rule[]): void {
    const { onRuleChange = () => {} } = this.#parts;
    const before = this.#rules;
    this.#learn(now);
    const ids = (rules: readonly Rule[]) => new Set(rules.map(({ id }) => id));
    const [known, left] = [ids(before), ids(now)];
    for (const rule of before) if (!left.has(rule.id)) onRuleChange('removed', rule);
    for (const rule of now) if (!known.has(rule.id)) onRuleChange('added', rule);
  }

  #learn(rules: readonly Rule[]): void {
    this.#rules = rules;
    this.#tellConsent();
  }

  #tellConsent(): void {
    this.#parts.consent.learn([...this.#rules, ...this.#unsure]);
  }

  /** Now, or when the store is back: the rule is made. */
  async #endBlockedSoon(): Promise<void> {
    try {
      await this.#endBlocked();
    } catch {
      this.#isBehind = true;
    }
  }

  async #endBlocked(): Promise<void> {
    const { owner } = this.#parts.store;
    while ((await owner.endBlocked(this.#now(), STEP_JOBS)) > 0);
  }

  #now() {
    const { clock } = this.#parts;
    return { wall: clock.now(), steady: clock.steady() };
  }
}

function unknownExport(): ExportError {
  return new ExportError('unknown_export', 'There is no such export.');
}

/** @throws ExportError `invalid_request`, naming the field */
function checkRule(rule: NewRule): void {
  const refuse = (detail: string): never => {
    throw new ExportError('invalid_request', detail);
  };
  if (Buffer.byteLength(rule.app ?? '') > APP_BYTES_MAX)
    refuse(`"app" is longer than ${APP_BYTES_MAX} bytes.`);
  if ((rule.note?.length ?? 0) > NOTE_LENGTH_MAX)
    refuse(`"note" is longer than ${NOTE_LENGTH_MAX} characters.`);
  if (rule.destination !== null && !canBeDestination(rule.destination))
    refuse(
      '"destination" is neither a URL nor an origin, such as "https://example.org/in" or "https://example.org".',
    );
  if (rule.kind === 'budget' && !(Number.isSafeInteger(rule.limit) && rule.limit >= 0))
    refuse('"limit" is not a whole number from 0.');
}
