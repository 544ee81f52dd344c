import { useState } from 'preact/hooks';
import { type Concern, concernsOf, type Reason } from '../model/attention.ts';
import { ruleFor } from '../model/rules.ts';
import { type AppTotal, appTotals, type LaneTotal, matching, totalOf } from '../model/sums.ts';
import { ConcernItem } from '../parts/concerns.tsx';
import { History } from '../parts/history.tsx';
import { Icon } from '../parts/icon.tsx';
import { Loaded, Loading } from '../parts/loaded.tsx';
import { AppName, Place } from '../parts/place.tsx';
import { StopButton } from '../parts/stop.tsx';
import { Switch } from '../parts/switch.tsx';
import { Tag } from '../parts/tag.tsx';
import { budgets, days, reasons, refusals, rules, shownDays, today, unfinished } from '../state/box.ts';
import { now } from '../state/clock.ts';
import { exportsHash } from '../state/route.ts';
import { appName, counted, format, placeText, t } from '../texts/texts.ts';
import type { LaneSum } from '../wire.ts';

const PERIODS = { today: 1, week: 7, month: 28 } as const;
type Period = keyof typeof PERIODS;
/** Concerns, the most urgent, that are shown before somebody asks for all: below them is who sends what. */
const CONCERNS_SHOWN = 5;
/** Apps that are shown before somebody asks for all. */
const APPS_SHOWN = 8;

const NO_REASONS: ReadonlyMap<string, Reason> = new Map();

/** What the box tells the world, in a glance. */
export function OverviewView() {
  return (
    <>
      <Headline />
      <Concerns />
      <Who />
      <History />
    </>
  );
}

function Headline() {
  const sums = today.value;
  const { error } = today.state.value;
  if (sums === undefined) {
    return (
      <div class="headline">
        <h1 tabIndex={-1}>{t.overview.headlineLoading}</h1>
        {error !== null && <Loaded of={today}>{() => null}</Loaded>}
      </div>
    );
  }
  const { accepted, bytes, outcomes } = totalOf(sums);
  const left = counted(outcomes.delivered + outcomes.undeliverable);
  return (
    <div class="headline">
      <h1 tabIndex={-1}>{left.n === 0 ? t.overview.headlineNone : t.overview.headline(left)}</h1>
      {accepted > 0 && (
        <p class="lead">
          {t.overview.details({
            apps: counted(new Set(sums.map(({ app }) => app)).size),
            places: counted(new Set(sums.map(({ destination }) => destination)).size),
            size: format.size(bytes),
          })}{' '}
          {outcomes.open > 0 && t.overview.waiting(counted(outcomes.open))}
        </p>
      )}
    </div>
  );
}

/** Undefined as long as something is not known that might be of concern. */
function presentConcerns(): Concern[] | undefined {
  const [known, waiting, sums, refused] = [rules.value, unfinished.value, today.value, refusals.value];
  if (known === undefined || waiting === undefined || sums === undefined || refused === undefined)
    return undefined;
  return concernsOf({
    rules: known,
    ...waiting,
    today: sums,
    budgets: budgets.value?.values() ?? [],
    reasons: reasons.value ?? NO_REASONS,
    refusals: refused,
    todayStart: shownDays.value[0]?.start ?? 0,
  });
}

function Concerns() {
  const [isAll, showAll] = useState(false);
  const concerns = presentConcerns();
  if (concerns === undefined) return <Loading lines={2} />;
  if (concerns.length === 0) {
    return (
      <p class="all-well" role="status">
        <Icon name="good" />
        {refusals.value?.isWhole ? t.overview.allWell : t.overview.allWellLately}
      </p>
    );
  }
  return (
    <section class="concerns">
      <h2>{t.overview.concernsCount(counted(concerns.length))}</h2>
      <ul>
        {concerns.slice(0, isAll ? undefined : CONCERNS_SHOWN).map((concern) => (
          <ConcernItem key={keyOf(concern)} concern={concern} />
        ))}
      </ul>
      {!isAll && concerns.length > CONCERNS_SHOWN && (
        <button type="button" class="more" onClick={() => showAll(true)}>
          {t.overview.concernsAll}
        </button>
      )}
    </section>
  );
}

function keyOf(concern: Concern): string {
  const { kind } = concern;
  if (kind === 'held' || kind === 'all-held') return concern.rule.id;
  if (kind === 'budget') return concern.use.rule.id;
  if (kind === 'stuck') return JSON.stringify([kind, concern.destination]);
  if (kind === 'failed') return JSON.stringify([kind, concern.app, concern.destination]);
  const { app, code, isByRule, others } = concern;
  return JSON.stringify([kind, app, code, isByRule, others]);
}

function Who() {
  const [period, setPeriod] = useState<Period>('today');
  const [search, setSearch] = useState('');
  const apps = appTotals(sumsOf(period));
  const found = matching(apps, search);
  return (
    <section class="who">
      <div class="section-head">
        <h2>{t.overview.who}</h2>
        <Switch label={t.overview.period} value={period} options={t.overview.periods} onChoose={setPeriod} />
        <label class="with-icon">
          <span class="hidden">{t.overview.search}</span>
          <Icon name="search" />
          <input
            type="search"
            placeholder={t.overview.search}
            value={search}
            onInput={({ currentTarget }) => setSearch(currentTarget.value)}
          />
        </label>
      </div>
      {today.value === undefined ? (
        <Loading lines={5} />
      ) : (
        <Apps apps={found} isSearch={search.trim() !== ''} />
      )}
    </section>
  );
}

function sumsOf(period: Period): LaneSum[] {
  return shownDays.value.slice(0, PERIODS[period]).flatMap(({ start }) => days.value.get(start) ?? []);
}

function Apps({ apps, isSearch }: { readonly apps: readonly AppTotal[]; readonly isSearch: boolean }) {
  const [isAll, setAll] = useState(false);
  if (apps.length === 0) return <p class="empty">{emptyText(isSearch)}</p>;
  const shown = isAll ? apps : apps.slice(0, APPS_SHOWN);
  const most = Math.max(...apps.map(({ accepted }) => accepted));
  return (
    <>
      <ul class="apps">
        {shown.map((app) => (
          <AppItem key={app.app} app={app} most={most} />
        ))}
      </ul>
      {shown.length < apps.length && (
        <button type="button" class="more" onClick={() => setAll(true)}>
          {t.showAll(counted(apps.length))}
        </button>
      )}
    </>
  );
}

function emptyText(isSearch: boolean): string {
  if (isSearch) return t.overview.noneFound;
  return [...days.value.values()].every((sums) => sums.length === 0)
    ? t.overview.firstUse
    : t.overview.noneInPeriod;
}

function AppItem({ app, most }: { readonly app: AppTotal; readonly most: number }) {
  const name = appName(app.app);
  return (
    <li class="card app-card">
      <div class="app-head">
        <h3>
          <AppName app={app.app} />
        </h3>
        <p class="sum">{t.overview.sum({ items: counted(app.accepted), size: format.size(app.bytes) })}</p>
        {app.app !== null && app.lanes.length > 1 && (
          <StopButton subject={{ app: app.app, waiting: app.outcomes.open }} of={name} />
        )}
      </div>
      <div class="share" aria-hidden="true">
        <span style={{ inlineSize: `${(100 * app.accepted) / most}%` }} />
      </div>
      <ul class="lanes">
        {app.lanes.map((lane) => (
          <LaneItem key={lane.destination} lane={lane} isOnly={app.lanes.length === 1} />
        ))}
      </ul>
    </li>
  );
}

interface LaneProps {
  readonly lane: LaneTotal;
  /** Then its sum is that of the app, which is there already. */
  readonly isOnly: boolean;
}

function LaneItem({ lane, isOnly }: LaneProps) {
  const { app, destination, accepted, bytes, outcomes, lastAt } = lane;
  const what = `${appName(app)}, ${placeText(destination)}`;
  return (
    <li class="lane">
      <a
        class="lane-place"
        href={exportsHash({ app, destination })}
        aria-label={t.overview.seeAllOf(what)}
        title={t.overview.seeAll}
      >
        <Place destination={destination} />
      </a>
      <p class="lane-sum">
        {!isOnly && t.overview.sum({ items: counted(accepted), size: format.size(bytes) })}
        <span class="lane-last">{t.overview.last(format.ago(lastAt, now.value))}</span>
      </p>
      <p class="lane-flags">
        <Flags lane={lane} />
      </p>
      <StopButton subject={{ app, destination, waiting: outcomes.open }} of={what} />
    </li>
  );
}

function Flags({ lane }: { readonly lane: LaneTotal }) {
  const known = rules.value ?? [];
  const { open, undeliverable, blocked, cancelled } = lane.outcomes;
  return (
    <>
      {ruleFor(known, 'block', lane) && <Tag tone="bad">{t.flags.blocked}</Tag>}
      {ruleFor(known, 'hold', lane) && <Tag tone="warn">{t.flags.held}</Tag>}
      {ruleFor(known, 'budget', lane) && <Tag tone="calm">{t.flags.budget}</Tag>}
      {open > 0 && <Tag tone="calm">{t.flags.waiting(counted(open))}</Tag>}
      {undeliverable > 0 && <Tag tone="bad">{t.flags.failed(counted(undeliverable))}</Tag>}
      {blocked + cancelled > 0 && <Tag tone="bad">{t.flags.stopped(counted(blocked + cancelled))}</Tag>}
    </>
  );
}
