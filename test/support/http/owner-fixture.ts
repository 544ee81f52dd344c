import { randomBytes, randomUUID } from 'node:crypto';
import { Consent } from '../../../src/export/consent.ts';
import type { JobStore, NewJob } from '../../../src/export/job-store.ts';
import { OwnerFeed } from '../../../src/export/owner-feed.ts';
import { OwnerService } from '../../../src/export/owner-service.ts';
import { renderOwnerNews } from '../../../src/http/owner/render-news.ts';
import { MasterKey } from '../../../src/keys/master-key.ts';
import { OwnerSessions } from '../../../src/keys/owner-sessions.ts';
import { ManualClock } from '../manual-clock.ts';
import { openTemporaryStore } from '../temporary-store.ts';
import {
  type Answer,
  type FixtureOptions,
  HttpFixture,
  type RequestOptions,
  tokenWith,
} from './http-fixture.ts';

export const OWNER_TOKEN = tokenWith({ method: '*', path: '/owner/*', destination: null });

/** The owner's routes over a real store; what apps hand in is not in it. */
export class OwnerFixture implements AsyncDisposable {
  readonly http: HttpFixture;
  readonly store: JobStore;
  readonly clock: ManualClock;
  readonly #close: () => PromiseLike<void>;

  private constructor(parts: Pick<OwnerFixture, 'http' | 'store' | 'clock'>, close: () => PromiseLike<void>) {
    this.store = parts.store;
    this.http = parts.http;
    this.clock = parts.clock;
    this.#close = close;
  }

  static async start(options: Omit<FixtureOptions, 'owner' | 'clock'> = {}): Promise<OwnerFixture> {
    const temporary = await openTemporaryStore();
    const { store } = temporary;
    const clock = new ManualClock();
    const feed = new OwnerFeed({
      find: (id) => store.owner.find(id),
      render: renderOwnerNews,
      clock,
      life: randomBytes(4).toString('hex'),
    });
    store.onChange((ids) => feed.changed(ids));
    const service = new OwnerService({
      store,
      clock,
      consent: new Consent(),
      newId: randomUUID,
      ageMsMax: 1_000,
      resume: () => {},
      onRuleChange: (change, rule) => feed.ruleChanged(change, rule),
    });
    const masterKey = new MasterKey(randomBytes(32));
    const owner = {
      rules: () => service.rules(),
      addRule: service.addRule.bind(service),
      removeRule: service.removeRule.bind(service),
      cancel: service.cancel.bind(service),
      list: service.list.bind(service),
      find: service.find.bind(service),
      summary: service.summary.bind(service),
      sessions: new OwnerSessions({ store, masterKey, clock }),
      feed,
    };
    const http = await HttpFixture.start({ ...options, owner, clock });
    return new OwnerFixture({ http, store, clock }, async () => {
      await http[Symbol.asyncDispose]();
      await temporary[Symbol.asyncDispose]();
    });
  }

  /** With the owner's token, where the options do not say otherwise. */
  ask(method: string, path: string, body?: unknown, more: RequestOptions = {}): Promise<Answer> {
    return this.http.send({ method, path, token: OWNER_TOKEN, body, ...more });
  }

  /** An export in the store; its id. */
  async insert(changes: Partial<NewJob> = {}): Promise<string> {
    const job: NewJob = {
      id: randomUUID(),
      lane: { client: 'steps', destination: 'https://a.example/in' },
      peer: '192.0.2.7',
      data: Buffer.from('"secret"'),
      attemptsMax: 9,
      acceptedAt: Date.UTC(2026, 0, 1),
      expiresAt: 1e15,
      idempotency: null,
      claimUntil: null,
      ...changes,
    };
    const now = { wall: 0, steady: 0 };
    await this.store.insert([job], { pendingMax: 10, acceptsNew: true, now });
    return job.id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#close();
  }
}
