/** Holds what the owner asked for, what the ledger says of it, and what the store made of it against each other. */
import type { Ledger } from './ledger.ts';
import { mayBeDone, OWNER, type OwnerAct } from './owner.ts';
import type { Record } from './record.ts';

export interface OwnerEvidence {
  readonly acts: readonly OwnerAct[];
  readonly record: Record;
  readonly ledger: Pick<Ledger, 'jobs' | 'rules'>;
  /** Whether old exports were deleted in some life. */
  readonly hasDeleted: boolean;
}

/** For everything that was done there is its entry, and no entry for what was not; each thing that is wrong. */
export function compareOwner(evidence: OwnerEvidence): string[] {
  return [
    ...rulesAdded(evidence),
    ...rulesRemoved(evidence),
    ...cancels(evidence),
    ...redeliveries(evidence),
  ];
}

function rulesAdded({ acts, record, ledger }: OwnerEvidence): string[] {
  const wrongs: string[] = [];
  const asked = acts.filter(({ kind }) => kind === 'add rule');
  const added = record.rules.filter(({ change }) => change === 'added');
  const removed = new Set(record.rules.filter(({ change }) => change === 'removed').map(({ rule }) => rule));
  for (const { made, rule } of asked.filter(({ fate }) => fate === 'done')) {
    const [entry] = added.filter((each) => each.rule === made);
    if (entry === undefined && !record.isErased) wrongs.push(`the ledger does not have the new rule ${made}`);
    const isSame = entry?.type === rule?.kind && entry?.destination === rule?.destination;
    if (entry !== undefined && !isSame) wrongs.push(`the ledger has another rule ${made}`);
  }
  const known = new Set(asked.map(({ made }) => made));
  const nobodys = added.filter(({ rule }) => !known.has(rule)).length;
  const unknown = asked.filter(({ made, fate }) => made === null && fate !== 'refused').length;
  if (nobodys > unknown) wrongs.push(`the ledger has ${nobodys - unknown} rules that nobody made`);
  for (const { rule } of added)
    if (ledger.rules.has(rule) === removed.has(rule))
      wrongs.push(`the rule ${rule} is ${removed.has(rule) ? 'still' : 'not'} there, says the store`);
  const inLedger = added.map(({ rule }) => rule);
  for (const rule of ledger.rules)
    if (!inLedger.includes(rule) && !record.isErased)
      wrongs.push(`the ledger knows nothing of the rule ${rule}`);
  return [...wrongs, ...twice(inLedger, 'was made')];
}

function rulesRemoved({ acts, record, ledger }: OwnerEvidence): string[] {
  const wrongs: string[] = [];
  const asked = acts.filter(({ kind }) => kind === 'remove rule');
  const removed = record.rules.filter(({ change }) => change === 'removed').map(({ rule }) => rule);
  for (const { target } of asked.filter(({ fate }) => fate === 'done'))
    if (!removed.includes(target ?? '') && !record.isErased)
      wrongs.push(`the ledger does not have it that the rule ${target} was taken away`);
  for (const rule of removed) {
    if (!asked.some((act) => act.target === rule && mayBeDone(act)))
      wrongs.push(`the ledger says that the rule ${rule} was taken away, and nobody did`);
    if (ledger.rules.has(rule)) wrongs.push(`the rule ${rule} was taken away, and is there`);
  }
  if (record.rules.some(({ by }) => by !== OWNER)) wrongs.push('the ledger names another owner');
  return [...wrongs, ...twice(removed, 'was taken away')];
}

/** Whether the store says the same of an export's cancel is compared export by export. */
function cancels({ acts, record }: OwnerEvidence): string[] {
  const wrongs: string[] = [];
  const asked = Map.groupBy(
    acts.filter(({ kind }) => kind === 'cancel'),
    ({ target }) => target,
  );
  for (const [id, { cancels: entries }] of record.exports) {
    const often = (asked.get(id) ?? []).filter(mayBeDone).length;
    if (entries.length > often)
      wrongs.push(`${id}: the ledger has ${entries.length} cancels, and the owner asked for ${often}`);
    if (entries.some(({ by }) => by !== OWNER)) wrongs.push(`${id}: the ledger names another owner`);
  }
  for (const [id, each] of asked)
    if (
      each.some(({ fate }) => fate === 'done') &&
      !record.isErased &&
      !record.exports.get(id ?? '')?.cancels.length
    )
      wrongs.push(`${id}: the owner took it back, and the ledger does not say so`);
  return wrongs;
}

function redeliveries({ acts, record, ledger, hasDeleted }: OwnerEvidence): string[] {
  const wrongs: string[] = [];
  const asked = acts.filter(({ kind }) => kind === 'redeliver');
  const taken = [...record.exports.values()].flatMap(({ taken: entries }) => entries);
  const entries = taken.flatMap((entry) => (entry.kind === 'redelivery' ? [entry] : []));
  for (const { target, made } of asked.filter(({ fate }) => fate === 'done')) {
    const isRecorded = entries.some((entry) => entry.export === made && entry.redelivery_of === target);
    if (!isRecorded && !record.isErased)
      wrongs.push(`${made}: the ledger does not have it as a redelivery of ${target}`);
    if (!ledger.jobs.has(made ?? '') && !hasDeleted) wrongs.push(`${made}: a redelivery is lost`);
  }
  for (const [of, each] of Map.groupBy(entries, (entry) => entry.redelivery_of)) {
    const often = asked.filter((act) => act.target === of && mayBeDone(act)).length;
    if (each.length > often)
      wrongs.push(`${of}: the ledger has ${each.length} redeliveries, and the owner asked for ${often}`);
    if (each.some(({ by }) => by !== OWNER)) wrongs.push(`${of}: the ledger names another owner`);
  }
  return wrongs;
}

function twice(rules: readonly string[], what: string): string[] {
  const repeated = new Set(rules.filter((rule, index) => rules.indexOf(rule) !== index));
  return [...repeated].map((rule) => `the ledger says twice that the rule ${rule} ${what}`);
}
