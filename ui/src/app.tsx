import { useEffect, useRef } from 'preact/hooks';
import { Icon } from './parts/icon.tsx';
import { Notices } from './parts/notices.tsx';
import { PauseAll } from './parts/pause-all.tsx';
import { now } from './state/clock.ts';
import { heardAt, liveness } from './state/live.ts';
import { tellError } from './state/notices.ts';
import { type Route, route } from './state/route.ts';
import { session, signOut } from './state/session.ts';
import { format, t } from './texts/texts.ts';
import { ExportView } from './views/export.tsx';
import { ExportsView } from './views/exports.tsx';
import { LedgerView } from './views/ledger.tsx';
import { OverviewView } from './views/overview.tsx';
import { RulesView } from './views/rules.tsx';
import { SignInView } from './views/sign-in.tsx';

const VIEWS = [
  { view: 'overview', hash: '#/' },
  { view: 'exports', hash: '#/exports' },
  { view: 'rules', hash: '#/rules' },
  { view: 'ledger', hash: '#/ledger' },
] as const;

export function App() {
  if (session.value.kind === 'unknown') return <Starting />;
  if (session.value.kind === 'out') return <SignInView session={session.value} />;
  return (
    <>
      {/* biome-ignore lint/a11y/useValidAnchor: It moves the focus; its fragment would be taken for a view. */}
      <a class="skip" href="#main" onClick={skip}>
        {t.skip}
      </a>
      <Header />
      <Offline />
      <main id="main" tabIndex={-1}>
        <View route={route.value} />
      </main>
      <Notices />
    </>
  );
}

function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function Starting() {
  return (
    <main class="starting">
      <p role="status">{t.loading}</p>
    </main>
  );
}

function Header() {
  return (
    <header class="top">
      <div class="top-row">
        <a class="brand" href="#/">
          <Icon name="box" />
          <span>{t.title}</span>
        </a>
        <Live />
        <PauseAll />
        <button type="button" class="quiet sign-out" onClick={leave}>
          <Icon name="leave" />
          <span>{t.signOut}</span>
        </button>
      </div>
      <nav class="views" aria-label={t.views_label}>
        {VIEWS.map(({ view, hash }) => (
          <a key={view} href={hash} aria-current={isCurrent(view) ? 'page' : undefined}>
            <Icon name={view} />
            <span>{t.views[view]}</span>
          </a>
        ))}
      </nav>
    </header>
  );
}

function isCurrent(view: (typeof VIEWS)[number]['view']): boolean {
  return route.value.view === view || (view === 'exports' && route.value.view === 'export');
}

function leave(): void {
  signOut().catch(() => tellError(t.signedOutFailed));
}

function Live() {
  return (
    <p class={`live ${liveness.value}`} role="status">
      {t.live[liveness.value]}
    </p>
  );
}

function Offline() {
  if (liveness.value !== 'offline') return null;
  return (
    <div class="banner warn" role="alert">
      <Icon name="offline" />
      <p>
        <strong>{t.offline.title}</strong>{' '}
        {heardAt.value === null ? t.offline.never : t.offline.since(format.moment(heardAt.value, now.value))}
      </p>
    </div>
  );
}

/** Moves the focus to the heading of a view that was changed to, so that a screen reader begins there. */
function View({ route: { view } }: { readonly route: Route }) {
  const place = useRef<HTMLDivElement>(null);
  const isFirst = useRef(true);
  const { value } = route;
  const key = value.view === 'export' ? value.id : value.view;
  useEffect(() => {
    const heading = place.current?.querySelector('h1');
    if (!isFirst.current) {
      scrollTo(0, 0);
      heading?.focus();
    }
    isFirst.current = false;
    document.title = view === 'overview' ? t.title : `${heading?.textContent ?? ''} – ${t.title}`;
  }, [key]);
  return (
    <div ref={place} class={`view ${view}`}>
      {view === 'overview' && <OverviewView />}
      {view === 'exports' && <ExportsView />}
      {view === 'export' && <ExportView key={key} />}
      {view === 'rules' && <RulesView />}
      {view === 'ledger' && <LedgerView />}
    </div>
  );
}
