import { useId, useState } from 'preact/hooks';
import { Choose } from '../parts/choose.tsx';
import { Icon } from '../parts/icon.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { AppName, Place } from '../parts/place.tsx';
import { StandingTag } from '../parts/tag.tsx';
import { attempt } from '../state/actions.ts';
import { days, exportList, readMore } from '../state/box.ts';
import { now } from '../state/clock.ts';
import { exportHash, exportsHash, type Filter, NO_FILTER, route } from '../state/route.ts';
import { appName, format, placeText, t } from '../texts/texts.ts';
import type { OwnedExport } from '../wire.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** Every export, by page. */
export function ExportsView() {
  const { value } = route;
  const filter = value.view === 'exports' ? value.filter : NO_FILTER;
  return (
    <>
      <h1 tabIndex={-1}>{t.exports.title}</h1>
      <p class="lead">{t.exports.lead}</p>
      <Filters filter={filter} />
      <Loaded of={exportList} lines={8}>
        {({ items, next }) =>
          items.length === 0 ? (
            <p class="empty">{t.exports.empty}</p>
          ) : (
            <>
              <ExportRows items={items} />
              {next === null ? <p class="end">{t.exports.end}</p> : <More />}
            </>
          )
        }
      </Loaded>
    </>
  );
}

function More() {
  const [isReading, setReading] = useState(false);
  const read = async (): Promise<void> => {
    setReading(true);
    await attempt(readMore);
    setReading(false);
  };
  return (
    <button type="button" class="more" disabled={isReading} onClick={read}>
      {isReading ? t.loading : t.more}
    </button>
  );
}

export function ExportRows({ items }: { readonly items: readonly OwnedExport[] }) {
  return (
    <ul class="rows">
      {items.map((job) => (
        <li key={job.id}>
          <a class="row" href={exportHash(job.id)}>
            <span class="row-what">
              <AppName app={job.app} />
              <span class="to">
                <span class="hidden">{t.exports.to}</span>
                <Icon name="arrow" />
              </span>
              <Place destination={job.destination} />
            </span>
            <span class="row-size">{format.size(job.bytes)}</span>
            <time class="row-time" dateTime={job.accepted_at}>
              {format.moment(Date.parse(job.accepted_at), now.value)}
            </time>
            <StandingTag job={job} />
          </a>
        </li>
      ))}
    </ul>
  );
}

/** Every app and destination of the past weeks: what there is to choose from. */
function known(): { readonly apps: readonly string[]; readonly destinations: readonly string[] } {
  const sums = [...days.value.values()].flat();
  const sorted = (names: readonly string[]) => [...new Set(names)].toSorted((a, b) => a.localeCompare(b));
  return {
    apps: sorted(sums.flatMap(({ app }) => app ?? [])),
    destinations: sorted(sums.map(({ destination }) => destination)),
  };
}

function Filters({ filter }: { readonly filter: Filter }) {
  const { apps, destinations } = known();
  const change = (part: Partial<Filter>): void => {
    location.hash = exportsHash({ ...filter, ...part });
  };
  const isFiltered = filter.app !== null || filter.destination !== null || filter.state !== '';
  return (
    <search class="filters">
      <Find apps={apps} destinations={destinations} />
      <div class="fields">
        <Choose
          label={t.exports.filterApp}
          value={filter.app ?? ''}
          options={choices(t.exports.anyApp, apps, filter.app, appName)}
          onChoose={(app) => change({ app: app || null })}
        />
        <Choose
          label={t.exports.filterPlace}
          value={filter.destination ?? ''}
          options={choices(t.exports.anyPlace, destinations, filter.destination, placeText)}
          onChoose={(destination) => change({ destination: destination || null })}
        />
        <Choose
          label={t.exports.filterState}
          value={filter.state}
          options={t.exports.states}
          onChoose={(state) => change({ state })}
        />
        {isFiltered && (
          <button type="button" class="quiet clear" onClick={() => change(NO_FILTER)}>
            <Icon name="close" />
            {t.exports.clear}
          </button>
        )}
      </div>
    </search>
  );
}

/** What an address asks for is among them, also when it is older than the past weeks. */
function choices(
  any: string,
  names: readonly string[],
  chosen: string | null,
  text: (name: string) => string,
): Readonly<Record<string, string>> {
  const all = chosen === null || names.includes(chosen) ? names : [chosen, ...names];
  return { '': any, ...Object.fromEntries(all.map((name) => [name, text(name)])) };
}

interface FindProps {
  readonly apps: readonly string[];
  readonly destinations: readonly string[];
}

/** An export by its id; otherwise what app or destination has the text in its name. */
function Find({ apps, destinations }: FindProps) {
  const [text, setText] = useState('');
  const id = useId();
  const [found, setFound] = useState<readonly Partial<Filter>[] | null>(null);
  const find = (event: Event): void => {
    event.preventDefault();
    const wanted = text.trim().toLowerCase();
    if (wanted === '') return;
    if (UUID.test(wanted)) {
      location.hash = exportHash(wanted);
      return;
    }
    const fits = (name: string): boolean => name.toLowerCase().includes(wanted);
    const results = [
      ...apps.filter(fits).map((app) => ({ app })),
      ...destinations.filter(fits).map((destination) => ({ destination })),
    ];
    const [only] = results;
    if (results.length === 1 && only !== undefined) location.hash = exportsHash(only);
    setFound(results.length === 1 ? null : results);
  };
  return (
    <>
      <form class="find" onSubmit={find}>
        <div class="field">
          <label for={id}>{t.exports.search}</label>
          <span class="with-icon">
            <Icon name="search" />
            <input
              id={id}
              type="search"
              value={text}
              onInput={({ currentTarget }) => setText(currentTarget.value)}
            />
          </span>
        </div>
        <button type="submit">{t.exports.searchButton}</button>
      </form>
      <div role="status">
        {found !== null && found.length === 0 && <p class="aside">{t.exports.searchNone}</p>}
        {found !== null && found.length > 0 && (
          <ul class="found">
            {found.map((filter) => (
              <li key={JSON.stringify(filter)}>
                <a href={exportsHash(filter)} onClick={() => setFound(null)}>
                  <bdi>{filter.app ?? placeText(filter.destination ?? '')}</bdi>
                </a>
              </li>
            ))}
          </ul>
        )}
      </div>
    </>
  );
}
