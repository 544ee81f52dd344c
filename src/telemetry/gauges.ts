import type { StoreFigures } from '../export/job-store.ts';

/** What is read when somebody scrapes. */
export interface Readings {
  readonly version: string;
  /** Null while the store cannot be read. */
  readonly store: StoreFigures | null;
  /** Wall clock, in milliseconds. */
  readonly now: number;
  readonly http: HttpReadings | null;
  readonly longPolls: Bounded | null;
  /** Root keys that tokens are good under. */
  readonly rootKeys: number | null;
  /** Null where no arbiter is asked. */
  readonly isArbiterConnected: boolean | null;
  /** For how long the newest checkpoint has not been where it is to be kept, in milliseconds; 0 when it is. */
  readonly checkpoints: { readonly besideMs: number; readonly elsewhereMs: number } | null;
}

export interface Bounded {
  readonly now: number;
  readonly max: number;
}

export interface HttpReadings {
  readonly connections: Bounded;
  /** Connections that wait until another one closes. */
  readonly connectionsQueued: number;
  readonly webSockets: number;
  readonly uploadsBytes: Bounded;
  readonly unreadBytes: Bounded;
}

/** Null leaves it out of the page. A record has the values of the label. */
export type Values = number | null | Readonly<Record<string, number>>;

interface GaugeRow {
  readonly name: string;
  readonly help: string;
  readonly label?: string;
  readonly read: (readings: Readings) => Values;
}

export const NO_READINGS: Readings = {
  version: '',
  store: null,
  now: 0,
  http: null,
  longPolls: null,
  rootKeys: null,
  isArbiterConnected: null,
  checkpoints: null,
};

/** A gauge of the store's figures. */
function ofStore(
  name: string,
  help: string,
  read: (store: StoreFigures, now: number) => number | null,
): GaugeRow {
  return { name, help, read: ({ store, now }) => (store === null ? null : read(store, now)) };
}

/** What is bounded, and its bound. */
function bounded(
  name: string,
  help: string,
  bound: string,
  read: (readings: Readings) => Bounded | undefined | null,
): GaugeRow[] {
  return [
    { name, help, read: (readings) => read(readings)?.now ?? null },
    {
      name: name.replace(/(_open)?(_bytes)?$/, '_limit$2'),
      help: `The most that ${name} can be: ${bound}`,
      read: (readings) => read(readings)?.max ?? null,
    },
  ];
}

/** Every gauge there is; names and meanings are public. */
export const GAUGES: readonly GaugeRow[] = [
  {
    name: 'export_unfinished',
    help: 'Exports that have not ended: queued, sending, or waiting for another attempt',
    label: 'state',
    read: ({ store }) => store && { queued: store.queued, sending: store.sending, waiting: store.waiting },
  },
  ofStore(
    'export_oldest_unfinished_seconds',
    'Age of the oldest export that has not ended, those that the owner holds included; 0 when all have',
    ({ oldestAcceptedAt }, now) =>
      oldestAcceptedAt === null ? 0 : Math.max(now - oldestAcceptedAt, 0) / 1_000,
  ),
  ofStore(
    'export_lanes_busy',
    'Lanes (an app and a destination) that have exports which have not ended',
    ({ busyLanes }) => busyLanes,
  ),
  ofStore(
    'export_lanes_paused',
    'Lanes whose destination is down: one export at a time asks how it does',
    ({ pausedLanes }) => pausedLanes,
  ),
  {
    name: 'export_rules',
    help: "The owner's rules: block, hold or budget",
    label: 'kind',
    read: ({ store }) => store && { ...store.rules },
  },
  ofStore(
    'export_store_used_bytes',
    'What exports and the ledger take in the store',
    ({ usedBytes }) => usedBytes,
  ),
  ofStore(
    'export_store_limit_bytes',
    'The most that export_store_used_bytes can be: --store-bytes-max; 16 MiB below it new exports are refused',
    ({ bytesMax }) => bytesMax,
  ),
  ofStore(
    'export_store_disk_free_bytes',
    'What is left on the disk of the store',
    ({ diskFreeBytes }) => diskFreeBytes,
  ),
  ofStore(
    'export_commit_under_way_seconds',
    'For how long the commit under way has been so; it grows while a disk does not answer',
    ({ commitUnderWayMs }) => commitUnderWayMs / 1_000,
  ),
  ofStore(
    'export_ledger_entries',
    "Entries of the ledger's present log",
    ({ ledgerEntries }) => ledgerEntries,
  ),
  {
    name: 'export_checkpoint_behind_seconds',
    help: 'For how long the newest checkpoint of the ledger has not been kept: beside the store, or elsewhere (--checkpoint-to)',
    label: 'place',
    read: ({ checkpoints }) =>
      checkpoints && {
        beside: checkpoints.besideMs / 1_000,
        elsewhere: checkpoints.elsewhereMs / 1_000,
      },
  },
  {
    name: 'export_root_keys',
    help: 'Root keys that tokens are good under; 0: every request is refused with no_root_key',
    read: ({ rootKeys }) => rootKeys,
  },
  {
    name: 'export_arbiter_connected',
    help: "Whether the connection to the box's arbiter is up; only where there is one",
    read: ({ isArbiterConnected }) => (isArbiterConnected === null ? null : Number(isArbiterConnected)),
  },
  ...bounded(
    'export_long_polls_open',
    'Requests that wait for an export to change or to end',
    '--waiting-max',
    ({ longPolls }) => longPolls,
  ),
  ...bounded(
    'export_connections_open',
    'Connections of apps and of the owner that are served',
    '--connections-max',
    ({ http }) => http?.connections,
  ),
  {
    name: 'export_connections_queued',
    help: 'Connections that wait for another one to close',
    read: ({ http }) => http?.connectionsQueued ?? null,
  },
  {
    name: 'export_websockets_open',
    help: 'Connections that are WebSockets',
    read: ({ http }) => http?.webSockets ?? null,
  },
  ...bounded(
    'export_uploads_bytes',
    'Bodies of requests that are in memory',
    'beyond it the largest that still arrives is refused',
    ({ http }) => http?.uploadsBytes,
  ),
  ...bounded(
    'export_unread_bytes',
    'Answers in memory that clients have yet to read',
    'beyond it who has not read for the longest is cut off',
    ({ http }) => http?.unreadBytes,
  ),
  {
    name: 'export_build_info',
    help: '1; the label says which version runs',
    label: 'version',
    read: ({ version }) => (version === '' ? null : { [version]: 1 }),
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Memory of the process',
    read: () => process.memoryUsage.rss(),
  },
  {
    name: 'process_start_time_seconds',
    help: 'When the process started, in seconds since 1970',
    read: () => performance.timeOrigin / 1_000,
  },
];
