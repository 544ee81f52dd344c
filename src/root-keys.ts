import { ArbiterClient } from './arbiter/arbiter-client.ts';
import { ArbiterError } from './arbiter/arbiter-error.ts';
import { readCredentials } from './arbiter/credentials.ts';
import { RootKeyKeeper } from './arbiter/root-key-keeper.ts';
import type { Config } from './config.ts';
import { Chore } from './export/chore.ts';
import type { Clock } from './export/clock.ts';
import { ExportError } from './export/errors.ts';
import type { SecretStore } from './export/job-store.ts';
import { configuredRootKey } from './keys/configured-root-key.ts';
import type { MasterKey } from './keys/master-key.ts';
import { noteRootKeys } from './keys/root-key-note.ts';
import { type RingChange, RootKeyRing } from './keys/root-key-ring.ts';
import { hasRootKey, openRootKey } from './keys/store-keys.ts';
import type { NameResolver } from './names/name-resolver.ts';
import { usingSetting } from './start-up.ts';
import type { Log } from './telemetry/log.ts';

/** The root keys that tokens are checked with, wherever they come from. */
export interface RootKeys extends AsyncDisposable {
  /** Newest first; empty while there is none yet. A key is the same object as long as it stays. */
  keys(): readonly Uint8Array[];
  /** This key has just verified a token. */
  used(key: Uint8Array): void;
  /** Why there is no key yet. */
  whyNone(): string;
  /** Whether the connection to the arbiter is up; null where there is no arbiter. */
  isArbiterConnected(): boolean | null;
  /** Begins to ask for keys, where there is somebody to ask. */
  start(): void;
  /**
   * Gets a new key; `dropOld` ends all others, and `by` is who asked for it.
   *
   * @throws ExportError
   */
  refresh(dropOld: boolean, by: string | null): Promise<RingChange>;
}

export interface RootKeysParts {
  readonly secrets: SecretStore;
  readonly masterKey: MasterKey;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
}

/**
 * Where the root key comes from, as far as it can be known before the store is touched: what a setting gets wrong shows
 * here.
 *
 * @returns how to open the keys once the store is there
 * @throws UsageError that names the setting
 */
export async function findRootKeySource(
  config: Config,
  clock: Clock,
  names: Pick<NameResolver, 'first'>,
): Promise<(parts: RootKeysParts) => Promise<RootKeys>> {
  const given = usingSetting('--secret-file', () => configuredRootKey(config));
  if (given !== null)
    return async (parts) => {
      await noteRootKeys(parts, { from: 'setting', key: given });
      return fixedRootKey(given);
    };
  if (config.arbiter === null) return ownRootKey;
  const client = await ArbiterClient.load({
    endpoint: config.arbiter,
    identity: config.name,
    credentials: usingSetting('--secrets-dir', () => readCredentials(config.secretsDir)),
    clock,
    resolve: (hostname) => names.first(hostname),
  });
  return async (parts) => arbitersRootKeys(client, parts);
}

const NO_ARBITER =
  'This service has no arbiter to get a root key from: its key was given, or it made one for itself. ' +
  'A service with --arbiter and without --secret has one.';

/** The key that the service makes for itself. */
async function ownRootKey(parts: RootKeysParts): Promise<RootKeys> {
  const { secrets, masterKey, clock } = parts;
  await noteRootKeys(parts, { from: 'service', hasKeys: await hasRootKey(secrets) });
  return fixedRootKey(await openRootKey(secrets, masterKey, clock.now()));
}

/** One key for ever. */
function fixedRootKey(key: Uint8Array): RootKeys {
  const keys = [key];
  return {
    keys: () => keys,
    used: () => {},
    whyNone: () => '',
    isArbiterConnected: () => null,
    start: () => {},
    refresh: async () => {
      throw new ExportError('not_found', NO_ARBITER);
    },
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What the owner wants of the key that is being asked for, and what became of it. */
interface Wish {
  readonly isOnly: boolean;
  readonly by: string | null;
  addition: Promise<RingChange> | null;
}

/** The arbiter's last keys. */
async function arbitersRootKeys(client: ArbiterClient, parts: RootKeysParts): Promise<RootKeys> {
  await using cleanup = new AsyncDisposableStack();
  const { clock, random, log } = parts;
  const onRingError = (error: unknown): void => {
    log.error({ err: error }, 'the root keys could not be written to the store; this is tried again');
  };
  const ring = cleanup.use(await RootKeyRing.open({ ...parts, onError: onRingError }));
  await noteRootKeys(parts, { from: 'arbiter', hasKeys: ring.keys.length > 0 });
  const wishes = new Set<Wish>();
  const upkeep = cleanup.use(new Chore({ clock, step: () => ring.upkeep(), onError: onRingError }));
  const keeper = cleanup.use(
    new RootKeyKeeper({
      ask: (signal) => client.fetchSecret(signal),
      watch: (onConnected) => client.watch(onConnected),
      clock,
      random,
      observer: {
        gotKey: (key) => {
          const addition = ring.add(key, allOf(wishes));
          for (const wish of wishes) wish.addition = addition;
          // In use, and in the log, once it is in the store.
          addition.then(({ keys }) => log.info({ keys }, 'the arbiter gave a root key'), onRingError);
        },
        gotNone: (error, retryMs) => {
          // What is no answer of the arbiter is our own mistake: whoever looks for it needs all of it.
          const why = error instanceof ArbiterError ? { reason: error.message } : { err: error };
          log.warn({ ...why, retryMs }, 'the arbiter gave no root key; it is asked again');
        },
      },
    }),
  );
  const opened = cleanup.move();
  return {
    keys: () => ring.keys,
    used: (key) => ring.used(key),
    whyNone: () => `There is no root key to check tokens with yet. ${whyNone(keeper, ring, client)}`,
    isArbiterConnected: () => keeper.isConnected,
    start: () => {
      upkeep.start();
      keeper.start();
    },
    refresh: async (dropOld, by) => {
      const wish: Wish = { isOnly: dropOld, by, addition: null };
      wishes.add(wish);
      using _ = { [Symbol.dispose]: () => wishes.delete(wish) };
      return await refresh(keeper, ring, wish);
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  };
}

function whyNone({ lastError }: RootKeyKeeper, ring: RootKeyRing, { endpoint }: ArbiterClient): string {
  if (ring.hasUnsavedKey) {
    return `The arbiter at ${endpoint} gave one, which is not in the store yet. If this stays so, the log says why.`;
  }
  return lastError === null
    ? `The arbiter at ${endpoint} is being asked.`
    : `${inWords(lastError)} The arbiter is asked again and again.`;
}

/** Who share an ask share its key: that one of them wants the others gone is enough. */
function allOf(wishes: ReadonlySet<Wish>): Pick<Wish, 'isOnly' | 'by'> {
  const all = [...wishes];
  const first = all.find(({ isOnly }) => isOnly) ?? all[0];
  return { isOnly: first?.isOnly ?? false, by: first?.by ?? null };
}

async function refresh(keeper: RootKeyKeeper, ring: RootKeyRing, wish: Wish): Promise<RingChange> {
  const key = await keeper.refresh().catch((error: unknown) => {
    if (!(error instanceof ArbiterError)) throw error;
    throw new ExportError(
      'no_root_key',
      `There is no new root key, and those that were good still are. ${error.message}`,
      { cause: error },
    );
  });
  try {
    // The key is taken in once for all who asked, and so recorded once. Who asked too late for that takes it in again.
    return await (wish.addition ?? ring.add(key, wish));
  } catch (cause) {
    throw new ExportError(
      'store_unavailable',
      `There is a new root key, but the store could not be written; until it is, the key is not in use. ${
        wish.isOnly ? 'The old ones have ended. ' : ''
      }This is tried again. If the service stops before that succeeds, the change is lost: then do this once more.`,
      { cause },
    );
  }
}

function inWords(error: unknown): string {
  return error instanceof ArbiterError ? error.message : 'Asking it failed; the log says why.';
}
