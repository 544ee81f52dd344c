import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseNetwork } from './addresses/network.ts';
import { Authorizer } from './auth/authorizer.ts';
import { CheckpointKeeper, type CheckpointObserver } from './checkpoints/checkpoint-keeper.ts';
import { KeptHeadError } from './checkpoints/kept-head.ts';
import { CheckpointFile, type CheckpointPlace, CheckpointUrl, headFileIn } from './checkpoints/places.ts';
import type { CheckpointTarget, Config } from './config.ts';
import { Dispatcher, type DispatchObserver } from './delivery/dispatcher.ts';
import { createEgressGuard, type EgressGuard } from './delivery/egress-guard.ts';
import { HttpDeliverer, type HttpDelivererOptions } from './delivery/http-deliverer.ts';
import { Chore } from './export/chore.ts';
import { type Clock, systemClock } from './export/clock.ts';
import { Consent } from './export/consent.ts';
import type { Deliverer } from './export/deliverer.ts';
import { ExportService, IDEMPOTENCY_KEY_LIFE_MS } from './export/export-service.ts';
import { JobFeed } from './export/job-feed.ts';
import type { CommitObserver, JobStore } from './export/job-store.ts';
import { type ExportObserver, observeAll } from './export/observer.ts';
import { OwnerFeed } from './export/owner-feed.ts';
import { OwnerService } from './export/owner-service.ts';
import {
  deleteOldHistory,
  deleteOldResults,
  endOldExports,
  eraseOldEntries,
  eraseOldPayloads,
  Purge,
  recordRefusals,
} from './export/retention.ts';
import { retryDelayMsMax } from './export/retry-policy.ts';
import { renderOwnerNews } from './http/owner/render-news.ts';
import type { Readiness } from './http/probes.ts';
import { PROBLEM_KINDS } from './http/problem.ts';
import { createHttpServer, type HttpServer, type OwnerActions, SERVER_LIMITS } from './http/server.ts';
import { OwnerSessions } from './keys/owner-sessions.ts';
import { SigningKeys } from './keys/signing-keys.ts';
import { openDigest, openLedgerSeed, openMasterKey } from './keys/store-keys.ts';
import { newOrigin, ORIGIN_RANDOM_BYTES } from './ledger/origin.ts';
import { type NameSources, systemNames } from './names/look-up.ts';
import { NameResolver } from './names/name-resolver.ts';
import { newId } from './new-id.ts';
import { systemPeerNames } from './peer-names.ts';
import { findRootKeySource, type RootKeys } from './root-keys.ts';
import { findServerTls } from './server-tls.ts';
import { isFolder, listenError, makeFolder, usingSetting } from './start-up.ts';
import { SqliteJobStore } from './store/sqlite/sqlite-job-store.ts';
import { ExportLog } from './telemetry/export-log.ts';
import type { Readings } from './telemetry/gauges.ts';
import type { Log } from './telemetry/log.ts';
import { Metrics } from './telemetry/metrics.ts';
import { VERSION } from './version.ts';

/** A lease outlasts the attempt's deadline by this: to settle, and to wait for a store that is busy. */
const LEASE_MARGIN_MS = 30_000;

const LOG_IN_USE =
  'erased data is still in the log of the store: another program has been reading the store all the time. End it';

/** A SQLite store has one. */
const ONLY_INSTANCE = '';

/** Parts a test may replace. Whoever passes a store or a deliverer closes it. */
export interface Overrides {
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly store?: JobStore;
  readonly deliverer?: Deliverer;
  readonly nameSources?: NameSources;
  /** Who also hears what becomes of exports. */
  readonly observers?: readonly ExportObserver[];
}

/** A running service. Disposing it is a clean stop; disposing it twice is harmless. */
export interface App extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Resolves when the service cannot go on by itself, with the reason. */
  readonly failed: Promise<Error>;
}

/**
 * Puts the service together and starts it: the one place that knows every part. Parts are closed in the reverse order
 * of their making, also when the start fails half way.
 *
 * @throws Error when a part cannot start, in words for whoever runs the box
 */
export async function createApp(config: Config, log: Log, overrides: Overrides = {}): Promise<App> {
  await using cleanup = new AsyncDisposableStack();
  const clock = overrides.clock ?? systemClock;
  const failure = Promise.withResolvers<Error>();

  // The event loop is late by the system's clock, whatever a test makes of time.
  const metrics = cleanup.use(new Metrics({ clock: systemClock, refusalCodes: Object.keys(PROBLEM_KINDS) }));
  const observer = observeAll([metrics, new ExportLog(log), ...(overrides.observers ?? [])]);
  const names = cleanup.use(new NameResolver({ sources: overrides.nameSources ?? systemNames(), clock }));

  // Whatever a setting can get wrong comes before the store is made or touched.
  const openRootKeys = await findRootKeySource(config, clock, names);
  const tls = await findServerTls(config);
  const guard = egressGuardOf(config, names);
  const mirrors = config.checkpointTo.map(placeOf);
  const retryPolicy = { retryBaseMs: config.retryBaseMs };
  let ownPort: number | null = null;
  const deliverer =
    overrides.deliverer ??
    cleanup.use(
      usingSetting('--destination-ca', () =>
        httpDelivererOf(config, guard, clock, {
          ownPort: () => ownPort,
          signer: { sign: (message) => signingKeys.sign(message) },
        }),
      ),
    );

  const store = overrides.store ?? cleanup.use(await openStore(config, failure.resolve, metrics));
  const masterKey = await openMasterKey(store.secrets, config.keyFile, clock.now());
  await store.unlock(masterKey.storeKeys, { keepsPayloads: config.keepPayloadsMs > 0 });
  const ledger = cleanup.use(
    await CheckpointKeeper.open({
      store: store.ledger,
      clock,
      headFile: new CheckpointFile(headFileIn(config.dataDir)),
      mirrors,
      instance: ONLY_INSTANCE,
      seed: await openLedgerSeed(store.secrets, masterKey, clock.now()),
      newOrigin: () => newOrigin(config.name, randomBytes(ORIGIN_RANDOM_BYTES)),
      version: VERSION,
      observer: checkpointLog(log),
    }),
  );
  const digest = await openDigest(store.secrets, masterKey);
  const random = overrides.random ?? Math.random;
  const rootKeys = cleanup.use(await openRootKeys({ secrets: store.secrets, masterKey, clock, random, log }));
  const signingKeys = await SigningKeys.open({ secrets: store.secrets, masterKey, clock });

  const consent = new Consent();
  const dispatcher = new Dispatcher({
    store,
    deliverer,
    consent,
    clock,
    random,
    retryPolicy,
    limits: {
      laneConcurrency: config.laneConcurrency,
      concurrency: config.concurrency,
      leaseMs: config.attemptTimeoutMs + LEASE_MARGIN_MS,
    },
    observer: { ...dispatchLog(log, failure.resolve), attempted: observer.attempted },
  });

  const feed = new JobFeed();
  const ownerFeed = new OwnerFeed({
    find: (id) => owner.look(id),
    render: renderOwnerNews,
    clock,
    life: randomBytes(8).toString('hex'),
  });
  cleanup.defer(
    store.onChange((ids) => {
      feed.publish(ids);
      ownerFeed.changed(ids);
    }),
  );
  cleanup.defer(
    store.onEnded((ended) => {
      for (const job of ended) observer.ended(job);
    }),
  );
  const peerNames = systemPeerNames(clock);
  const service = new ExportService({
    store,
    peerNames,
    dispatch: dispatcher,
    feed,
    clock,
    destinationPolicy: guard,
    newId,
    digest: (data, attemptsMax) => digest(data, String(attemptsMax ?? '')),
    limits: {
      attemptsMax: config.attemptsMax,
      pendingMax: config.pendingMax,
      waitingMax: config.waitingMax,
      rateMax: config.rateMax,
      ageMsMax: config.ageMsMax,
    },
    observer,
  });
  const owner = new OwnerService({
    store,
    resume: (lanes) => dispatcher.resume(lanes),
    consent,
    peerNames,
    onRuleChange: (change, rule) => ownerFeed.ruleChanged(change, rule),
    clock,
    newId,
    ageMsMax: config.ageMsMax,
  });
  const purge = new Purge(store, clock, (forMs) =>
    log.warn({ minutes: Math.round(forMs / 60_000) }, LOG_IN_USE),
  );
  const chore = (what: string, step: () => Promise<number>): Chore =>
    cleanup.use(new Chore({ clock, step, onError: (error) => log.error({ err: error }, `${what} failed`) }));
  const chores = [
    chore('deleting old results', () => deleteOldResults(store, clock, config.keepResultsMs)),
    chore('deleting old history', () => deleteOldHistory(store, clock, config.keepLedgerMs)),
    chore('ending old exports', () => endOldExports(store, clock, config.ageMsMax)),
    chore('erasing old payloads', () => eraseOldPayloads(store, clock, config.keepPayloadsMs)),
    chore('erasing old entries', () => eraseOldEntries(store.ledger, clock, config.keepLedgerMs)),
    chore('recording refusals', () => recordRefusals(store.ledger, clock)),
    chore('emptying the log of the store', () => purge.step()),
    chore('looking for new signing keys', () => signingKeys.upkeep()),
    chore('looking after the rules', () => owner.watchRules()),
  ];

  const server = await createHttpServer({
    service,
    owner: {
      ...ownerActions(owner, rootKeys, signingKeys, log),
      redeliver: (id, by) => service.redeliver(id, by),
      sessions: new OwnerSessions({ store, masterKey, clock }),
      feed: ownerFeed,
    },
    ledger,
    authorizer: new Authorizer({
      keys: rootKeys.keys,
      onKeyUsed: rootKeys.used,
      target: config.name,
      requireDestination: config.requireDestination,
      clock,
    }),
    ...(tls.certificate && { tls: tls.certificate }),
    settings: {
      bodyBytesMax: config.bodyBytesMax,
      longPollMaxMs: config.longPollMsMax,
      attemptsMax: config.attemptsMax,
    },
    limits: {
      connectionsMax: config.connectionsMax,
      // Four of the largest, so that who reads them is not cut off by others that do.
      unreadBytesMax: Math.max(SERVER_LIMITS.unreadBytesMax, 4 * config.responseBytesMax),
      closeGraceMs: Math.min(SERVER_LIMITS.closeGraceMs, config.drainMsMax),
    },
    signingKeys: () => signingKeys.publicKeys,
    metrics: () => metrics.page(),
    onRefused: (code) => metrics.refused(code),
    readiness: () => readiness(store, rootKeys),
    log: { unexpectedError: (error) => log.error({ err: error }, 'a request met an unexpected error') },
    clock,
  });
  const { waitingMax } = config;
  metrics.start(() => readings({ store, service, server, ledger, rootKeys, clock, waitingMax }));
  // After a failure nothing can be recorded any more: what ends in the meantime would only be sent once more.
  let drainMs = config.drainMsMax;
  failure.promise.then(() => {
    drainMs = 0;
  });
  cleanup.defer(() => stop(service, dispatcher, server, drainMs));

  // What a dead process had under way is recorded before anything is sent.
  const now = { wall: clock.now(), steady: clock.steady() };
  const recovered = await store.recover(now, {
    retryMs: retryDelayMsMax(retryPolicy),
    ageMs: config.ageMsMax,
    keyMs: IDEMPOTENCY_KEY_LIFE_MS,
  });
  if (recovered > 0) log.warn({ exports: recovered }, 'attempts cut off by the last stop are repeated');
  await owner.start();
  const { port } = await server.listen(config.host, config.port).catch((error: unknown) => {
    throw listenError(error, config.host, config.port);
  });
  cleanup.use(tls.follow(server, clock, log));
  ownPort = port;
  // Not before: a service that cannot listen must not change the key of the one that does.
  rootKeys.start();
  await dispatcher.start();
  for (const each of chores) each.start();

  const parts = cleanup.move();
  return {
    url: `${tls.scheme}://${config.host.includes(':') ? `[${config.host}]` : config.host}:${port}`,
    failed: failure.promise,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

/** Where a place is named that nothing can be written to, the start ends: nobody would look at it before it is needed. */
function placeOf(target: CheckpointTarget): CheckpointPlace {
  if (target.kind === 'url') return new CheckpointUrl(target.url);
  const folder = dirname(target.path);
  usingSetting('--checkpoint-to', () => {
    if (!isFolder(folder)) throw new Error(`${folder} is no folder.`);
  });
  return new CheckpointFile(target.path);
}

function checkpointLog(log: Log): CheckpointObserver {
  return {
    began({ origin, reason, previous }) {
      if (reason === 'first_log') log.info({ origin }, 'the ledger begins');
      else log.warn({ origin, reason, previous }, 'the ledger goes on as a new log');
    },
    notKept(where, error) {
      const level = error instanceof KeptHeadError ? 'error' : 'warn';
      log[level]({ err: error, where }, 'a checkpoint of the ledger could not be kept; this is tried again');
    },
    empty(where) {
      log.warn(
        { where },
        'this place for checkpoints holds none, although the ledger was signed before: unless it is new, stop the ' +
          'service, bring back what was there (is the disk mounted?) and start it again',
      );
    },
    halted(where, error) {
      log.error(
        { err: error, where },
        'the ledger is signed no more: what was kept elsewhere contradicts it',
      );
    },
  };
}

function ownerActions(
  owner: OwnerService,
  rootKeys: RootKeys,
  signingKeys: SigningKeys,
  log: Log,
): Omit<OwnerActions, 'redeliver' | 'sessions' | 'feed'> {
  return {
    refreshRootKey: rootKeys.refresh,
    async rotateSigningKey(by) {
      const { id } = await signingKeys.rotate(by);
      log.info({ key: id }, 'deliveries are signed with a new key; the old one signs on for a day');
      return signingKeys.publicKeys;
    },
    rules: () => owner.rules(),
    addRule: (rule, by) => owner.addRule(rule, by),
    removeRule: (id, by) => owner.removeRule(id, by),
    cancel: (id, by) => owner.cancel(id, by),
    list: (query) => owner.list(query),
    find: (id) => owner.find(id),
    summary: (since, until) => owner.summary(since, until),
  };
}

/** Accept nothing new, let attempts in flight end, answer what is still asked, close. */
async function stop(
  service: ExportService,
  dispatcher: Dispatcher,
  server: HttpServer,
  drainMsMax: number,
): Promise<void> {
  service.stopAccepting();
  await Promise.all([dispatcher.stop(drainMsMax), server.close()]);
}

async function openStore(
  config: Config,
  onDeath: (error: Error) => void,
  observer: CommitObserver,
): Promise<SqliteJobStore> {
  usingSetting('--data-dir', () => makeFolder(config.dataDir));
  usingSetting('--store', () => makeFolder(dirname(config.store.path)));
  const limits = { bytesMax: config.storeBytesMax, reservesDisk: true };
  return SqliteJobStore.open(config.store.path, onDeath, limits, observer);
}

function egressGuardOf(config: Config, names: NameResolver): EgressGuard {
  return createEgressGuard({
    allowHttp: config.allowHttp,
    allowNetworks: config.allowNetworks.map(parseNetwork),
    resolver: names.lookup,
  });
}

function httpDelivererOf(
  config: Config,
  guard: EgressGuard,
  clock: Clock,
  /** What is known only once the store is open, or once we listen. */
  later: Pick<HttpDelivererOptions, 'ownPort' | 'signer'>,
): HttpDeliverer {
  return new HttpDeliverer({
    ...later,
    guard,
    clock,
    version: VERSION,
    attemptTimeoutMs: config.attemptTimeoutMs,
    responseBytesMax: config.responseBytesMax,
    destinationCa: config.destinationCa === null ? null : readFileSync(config.destinationCa, 'utf8'),
  });
}

async function readiness(store: JobStore, rootKeys: RootKeys): Promise<Readiness> {
  try {
    await store.ping();
  } catch {
    return { isReady: false, code: 'store_unavailable', detail: 'The store cannot be written.' };
  }
  if (rootKeys.keys().length > 0) return { isReady: true };
  return { isReady: false, code: 'no_root_key', detail: rootKeys.whyNone() };
}

function dispatchLog(log: Log, onBreak: (error: Error) => void): Omit<DispatchObserver, 'attempted'> {
  return {
    storeFailed(doing, error) {
      log.error({ err: error, doing }, 'the store failed; it will be asked again');
    },
    broke(error) {
      onBreak(error instanceof Error ? error : new Error(String(error)));
    },
    rescued(lanes) {
      log.warn({ lanes }, 'leases ran out; the attempts are repeated');
    },
  };
}

/** What is to be known about the service at this moment. */
interface ReadingsParts {
  readonly store: JobStore;
  readonly service: ExportService;
  readonly server: HttpServer;
  readonly ledger: CheckpointKeeper;
  readonly rootKeys: RootKeys;
  readonly clock: Clock;
  readonly waitingMax: number;
}

async function readings(parts: ReadingsParts): Promise<Readings> {
  const { store, service, server, ledger, rootKeys, clock, waitingMax } = parts;
  const { beside, elsewhere } = ledger.behindMs;
  return {
    version: VERSION,
    store: await store.figures().catch(() => null),
    now: clock.now(),
    http: server.figures,
    longPolls: { now: service.waiting, max: waitingMax },
    rootKeys: rootKeys.keys().length,
    isArbiterConnected: rootKeys.isArbiterConnected(),
    checkpoints: { besideMs: beside, elsewhereMs: elsewhere },
  };
}
