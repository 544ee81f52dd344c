/** Where in the page its reader is: in the fragment, so that the service serves one page only. */
import { signal } from '@preact/signals';

export type Route =
  | { readonly view: 'overview' | 'rules' | 'ledger' }
  | { readonly view: 'exports'; readonly filter: Filter }
  | { readonly view: 'export'; readonly id: string };

export interface Filter {
  readonly app: string | null;
  readonly destination: string | null;
  readonly state: '' | 'Pending' | 'Processing' | 'Finished';
}

export const NO_FILTER: Filter = { app: null, destination: null, state: '' };

const STATES = ['Pending', 'Processing', 'Finished'] as const;

/** What is not known leads to the overview. */
export function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const [view = '', id] = path.split('/', 2);
  if (view === 'exports' && id) return { view: 'export', id: decode(id) };
  if (view === 'exports') return { view: 'exports', filter: parseFilter(new URLSearchParams(search)) };
  if (view === 'rules' || view === 'ledger') return { view };
  return { view: 'overview' };
}

export function exportsHash(filter: Partial<Filter>): string {
  const search = new URLSearchParams();
  for (const name of ['app', 'destination', 'state'] as const) {
    const value = filter[name];
    if (value) search.set(name, value);
  }
  return search.size === 0 ? '#/exports' : `#/exports?${search}`;
}

export function exportHash(id: string): string {
  return `#/exports/${encodeURIComponent(id)}`;
}

function parseFilter(search: URLSearchParams): Filter {
  const state = STATES.find((one) => one === search.get('state')) ?? '';
  return { app: search.get('app') || null, destination: search.get('destination') || null, state };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** The present one. It is made in a browser only. */
export const route = signal<Route>(parseRoute(globalThis.location?.hash ?? ''));

globalThis.addEventListener?.('hashchange', () => {
  route.value = parseRoute(location.hash);
});
