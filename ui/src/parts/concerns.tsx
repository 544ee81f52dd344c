import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import type { Concern } from '../model/attention.ts';
import { budgetUntil } from '../model/rules.ts';
import { amount, removeRule, usedAmount } from '../state/actions.ts';
import { now } from '../state/clock.ts';
import { exportsHash } from '../state/route.ts';
import { appName, counted, format, placeText, reasonText, t, targetText } from '../texts/texts.ts';
import type { Rule } from '../wire.ts';
import { Confirm } from './dialog.tsx';
import { Icon } from './icon.tsx';
import { StopButton } from './stop.tsx';

/** One thing that is worth a look, and what to do about it. */
export function ConcernItem({ concern }: { readonly concern: Concern }) {
  switch (concern.kind) {
    case 'all-held':
    case 'held':
      return <Held concern={concern} />;
    case 'stuck':
      return <Stuck concern={concern} />;
    case 'failed':
      return <Failed concern={concern} />;
    case 'budget':
      return <NearlyUsed concern={concern} />;
    case 'refused':
      return <Refused concern={concern} />;
  }
}

type Of<K extends Concern['kind']> = { readonly concern: Extract<Concern, { readonly kind: K }> };

function Held({ concern }: Of<'all-held' | 'held'>) {
  const { kind, rule, count } = concern;
  const waiting = t.concern.waits(counted(count));
  const words = t.concern['all-held'];
  return (
    <Item
      tone="warn"
      title={kind === 'held' ? t.concern.held(targetText(rule)) : words.title}
      text={kind === 'held' ? waiting : `${words.text} ${waiting}`}
    >
      <Release rule={rule} />
    </Item>
  );
}

function Stuck({ concern }: Of<'stuck'>) {
  const { destination, apps, error, status, count, isMore, since } = concern;
  const place = placeText(destination);
  const [app] = apps;
  return (
    <Item
      tone="warn"
      title={t.concern.stuck(place)}
      text={t.concern.stuckText({
        count: counted(count),
        isMore,
        why: reasonText(error, status),
        since: format.moment(since, now.value),
      })}
    >
      <Look href={exportsHash({ destination, state: 'Processing' })} of={place} />
      <StopButton subject={{ ...(apps.length === 1 && { app }), destination }} of={place} />
    </Item>
  );
}

function Failed({ concern: { app, destination, count, reason } }: Of<'failed'>) {
  const place = placeText(destination);
  const why = reason && reasonText(reason.error, reason.status);
  return (
    <Item
      tone="bad"
      title={t.concern.failed({ count: counted(count), place })}
      text={t.concern.failedText({ app: appName(app), why })}
    >
      <Look href={exportsHash({ app, destination, state: 'Finished' })} of={place} />
    </Item>
  );
}

function NearlyUsed({ concern: { use } }: Of<'budget'>) {
  const { rule, used, fraction } = use;
  const what = targetText(rule);
  return (
    <Item
      tone="warn"
      title={fraction >= 1 ? t.concern.budgetFull(what) : t.concern.budget(what)}
      text={t.concern.budgetText({
        used: usedAmount(used, rule.unit),
        limit: amount(rule.limit, rule.unit),
        until: format.moment(budgetUntil(rule, now.value), now.value),
      })}
    >
      <a class="button" href="#/rules">
        {t.concern.change}
      </a>
    </Item>
  );
}

function Refused({ concern }: Of<'refused'>) {
  const { app, others, isByRule } = concern;
  const count = counted(concern.count);
  return (
    <Item
      tone="warn"
      title={others ? t.concern.refusedOthers(count) : t.concern.refused({ app: appName(app), count })}
      text={refusedText(concern)}
    >
      <a class="button" href={isByRule ? '#/rules' : '#/ledger'}>
        {isByRule ? t.concern.change : t.concern.record}
      </a>
    </Item>
  );
}

function refusedText({ code, isByRule, destinations }: Of<'refused'>['concern']): string {
  const { refusedCodes: codes, refusedBySettings, refusedText: text, refusedPlaces } = t.concern;
  const known = isByRule || code !== 'destination_refused' ? codes[code] : refusedBySettings;
  const why = known ?? codes.other ?? '';
  const [destination] = destinations;
  if (destination === undefined) return why;
  const place =
    destinations.length === 1 ? placeText(destination) : refusedPlaces(counted(destinations.length));
  return text({ why, place });
}

interface ItemProps {
  readonly tone: 'warn' | 'bad';
  readonly title: string;
  readonly text: string;
  readonly children: ComponentChildren;
}

function Item({ tone, title, text, children }: ItemProps) {
  return (
    <li class={`concern ${tone}`}>
      <Icon name={tone} />
      <div class="concern-words">
        <h3>
          <bdi>{title}</bdi>
        </h3>
        <p>
          <bdi>{text}</bdi>
        </p>
      </div>
      <div class="concern-actions">{children}</div>
    </li>
  );
}

function Look({ href, of }: { readonly href: string; readonly of: string }) {
  return (
    <a class="button" href={href} aria-label={`${t.concern.look}: ${of}`}>
      {t.concern.look}
    </a>
  );
}

/** Takes a hold away. What waited leaves at once, so it is asked for. */
export function Release({ rule }: { readonly rule: Rule }) {
  const [isAsking, setAsking] = useState(false);
  return (
    <>
      <button
        type="button"
        aria-label={t.rules.removeOf(t.concern.letGoOn, targetText(rule))}
        onClick={() => setAsking(true)}
      >
        <Icon name="play" />
        {t.concern.letGoOn}
      </button>
      {isAsking && (
        <Confirm words={t.confirm.release} onYes={() => removeRule(rule)} onClose={() => setAsking(false)} />
      )}
    </>
  );
}
