import { ExportClient, ExportClientError, OwnerClient } from '../../client/index.ts';
import { type Config, parseConfig } from '../../src/config.ts';
import { encode } from '../../src/macaroon/codec.ts';
import { mint } from '../../src/macaroon/macaroon.ts';
import { newestRootKey, systemParts } from '../token/parts.ts';

/** What a household lives with: the service of the demo, and where its destination is. */
export interface HouseholdParts {
  readonly serviceUrl: string;
  /** Of the service: its root key is there. */
  readonly dataDir: string;
  /** What arrives below this address is taken. */
  readonly destinationUrl: string;
  /** Trusts the box's certificates. */
  readonly fetch: typeof fetch;
  readonly signal: AbortSignal;
}

/** Nobody has these names, and nobody ever will (RFC 6761): one place is dead, the other is never asked. */
const DEAD_PLACE = 'https://weather.invalid/readings';
const UNWANTED_PLACE = 'https://tracker.invalid/collect';
const BUDGET = { kind: 'budget', app: 'fitness-band', limit: 10, unit: 'exports', per: 'day' } as const;

/** Sent by an app: how many, and about how many bytes each. */
interface Habit {
  readonly app: string;
  readonly to: string;
  readonly count: number;
  readonly bytes: number;
}

/**
 * Gives the owner's page something to show: several apps and places, one of which is dead and one blocked, and a budget that
 * is nearly used. All of it goes through the service like any app's exports.
 *
 * @returns a link that opens the page, signed in
 */
export async function settleIn(parts: HouseholdParts): Promise<string> {
  const { serviceUrl, dataDir, fetch, signal } = parts;
  const config = parseConfig(['--data-dir', dataDir], {});
  const mintFor = await minter(config);
  const owner = new OwnerClient({
    url: serviceUrl,
    token: mintFor('demo-owner', ['path = /owner/*', 'method = *']),
    fetch,
  });
  await owner.addRule(BUDGET, { signal });
  await owner.addRule(
    { kind: 'block', destination: UNWANTED_PLACE, note: 'I never agreed to this.' },
    { signal },
  );
  const send = ({ app, to, count, bytes }: Habit): Promise<unknown> => {
    const token = mintFor(app, ['path = /export', 'method = POST', `destination = ${to}`]);
    const client = new ExportClient({ url: serviceUrl, token, path: '/export', fetch });
    const one = { destination: to, data: { readings: 'x'.repeat(bytes) } };
    return client.submitMany(
      Array.from({ length: count }, () => one),
      { signal },
    );
  };
  await Promise.all(habits(parts.destinationUrl).map(send));
  await refused(send({ app: 'free-game', to: UNWANTED_PLACE, count: 1, bytes: 900 }));
  const { code } = await owner.createLink({ signal });
  return `${serviceUrl}/ui/#code=${code}`;
}

function habits(destination: string): readonly Habit[] {
  return [
    { app: 'sleep-diary', to: `${destination}/sleep-study`, count: 7, bytes: 2_400 },
    { app: 'smart-meter', to: `${destination}/energy-supplier`, count: 12, bytes: 1_100 },
    { app: 'smart-meter', to: `${destination}/neighbourhood`, count: 3, bytes: 120 },
    { app: 'family-photos', to: `${destination}/backup`, count: 4, bytes: 48_000 },
    { app: 'fitness-band', to: `${destination}/running-club`, count: BUDGET.limit - 1, bytes: 700 },
    { app: 'weather-station', to: DEAD_PLACE, count: 5, bytes: 300 },
  ];
}

/** An arbiter's tokens name no app (docs/arbiter.md); these do, as those of `token mint --id` do. */
async function minter(config: Config): Promise<(identifier: string, caveats: readonly string[]) => string> {
  const rootKey = await newestRootKey(systemParts, config);
  return (identifier, caveats) =>
    encode(
      mint({ rootKey, identifier, location: config.name, caveats: [`target = ${config.name}`, ...caveats] }),
      'v1',
    );
}

/** Resolves when the service has said no, and throws when it has not: then the rule did not hold. */
async function refused(asked: Promise<unknown>): Promise<void> {
  try {
    await asked;
  } catch (error) {
    if (error instanceof ExportClientError && error.code === 'destination_refused') return;
    throw error;
  }
  throw new Error('The service took in what its owner has blocked.');
}
