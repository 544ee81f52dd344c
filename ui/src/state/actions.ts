/** What the owner can do; each says how it went, and how to take it back where that is possible. */
import { counted, format, t, targetText } from '../texts/texts.ts';
import type { NewRule, OwnedExport, Rule } from '../wire.ts';
import { ApiError, ask } from './api.ts';
import { exportList, oneExport, renewAll, rules } from './box.ts';
import { tell, tellError } from './notices.ts';
import { exportHash } from './route.ts';

/** Makes a rule; it holds when this resolves. @returns whether it worked */
export async function addRule(rule: NewRule): Promise<boolean> {
  return attempt(async () => {
    const made = await postRule(rule);
    tell(t.done[rule.kind](targetText(rule)), () => deleteRule(made));
  });
}

/** Takes a rule away. What was held leaves, which nobody can undo; the others can be made again. */
export async function removeRule(rule: Rule): Promise<boolean> {
  return attempt(async () => {
    await deleteRule(rule);
    const what = targetText(rule);
    if (rule.kind === 'hold') tell(t.done.released(what));
    else
      tell(rule.kind === 'block' ? t.done.unblocked(what) : t.done.unlimited(what), async () => {
        const { id: _id, created_at: _createdAt, ...again } = rule;
        await postRule(again);
      });
  });
}

export async function takeBack({ id }: OwnedExport): Promise<boolean> {
  return attempt(async () => {
    await ask(`owner/exports/${encodeURIComponent(id)}/cancel`, { method: 'POST' });
    tell(t.done.takenBack);
    renewAll();
  });
}

export async function redeliver({ id }: OwnedExport): Promise<boolean> {
  return attempt(async () => {
    const made = await ask<{ id: string }>(`owner/exports/${encodeURIComponent(id)}/redeliver`, {
      method: 'POST',
    });
    tell(t.done.redelivered);
    renewAll();
    location.hash = exportHash(made.id);
  });
}

/** Does something; what goes wrong is told, and what is shown is looked at again. */
export async function attempt(act: () => Promise<void>): Promise<boolean> {
  try {
    await act();
    return true;
  } catch (error) {
    tellError(error instanceof ApiError ? t.done.failed(error.message) : t.done.unreachable);
    renewAll();
    return false;
  }
}

async function postRule(rule: NewRule): Promise<Rule> {
  const made = await ask<Rule>('owner/rules', { method: 'POST', body: rule });
  // The events may have brought it before the answer did.
  rules.update((known) => [made, ...known.filter(({ id }) => id !== made.id)]);
  afterRule();
  return made;
}

async function deleteRule({ id }: Rule): Promise<void> {
  await ask(`owner/rules/${encodeURIComponent(id)}`, { method: 'DELETE' });
  rules.update((known) => known.filter((rule) => rule.id !== id));
  afterRule();
}

function afterRule(): void {
  renewAll();
  exportList.renew();
  oneExport.renew();
}

/** How much a budget has used, where its limit is written behind. */
export function usedAmount(n: number, unit: 'bytes' | 'exports'): string {
  return unit === 'bytes' ? format.size(n) : format.count(n);
}

/** How much a budget allows, in its own unit. */
export function amount(n: number, unit: 'bytes' | 'exports'): string {
  return unit === 'bytes' ? format.size(n) : t.rules.items(counted(n));
}
