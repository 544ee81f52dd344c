/** `GET /owner/events`: what is streamed, to whom, and how a reader goes on where it was. */
import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import http from 'node:http';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { tokenWith } from '../../../test/support/http/http-fixture.ts';
import { OWNER_TOKEN, OwnerFixture } from '../../../test/support/http/owner-fixture.ts';
import { ManualClock } from '../../../test/support/manual-clock.ts';
import { until } from '../../../test/support/until.ts';
import { OwnerFeed } from '../../export/owner-feed.ts';
import { EVENT_STREAM_LIMITS, EventStreams } from './event-streams.ts';

const PACE_MS = 100;

/** A reader that keeps what it was sent. */
class Reader implements Disposable {
  readonly #request: http.ClientRequest;
  readonly response: http.IncomingMessage;
  text = '';
  isOver = false;

  private constructor(request: http.ClientRequest, response: http.IncomingMessage) {
    this.#request = request;
    this.response = response;
    response.setEncoding('utf8');
    response.on('data', (text: string) => {
      this.text += text;
    });
    response.on('error', () => {});
    response.on('close', () => {
      this.isOver = true;
    });
  }

  static async open(
    fixture: OwnerFixture,
    headers: http.OutgoingHttpHeaders = {},
    token: string | null = OWNER_TOKEN,
  ): Promise<Reader> {
    const request = http.get({
      port: fixture.http.port,
      host: '127.0.0.1',
      path: '/owner/events',
      agent: false,
      headers: { ...headers, ...(token === null ? {} : { 'x-api-key': token }) },
    });
    request.on('error', () => {});
    const [response] = (await once(request, 'response')) as [http.IncomingMessage];
    return new Reader(request, response);
  }

  /** The messages so far: what has a name. */
  get events(): { id: string; name: string; data: Record<string, unknown> }[] {
    return [...this.text.matchAll(/^id: (.*)\nevent: (.*)\ndata: (.*)\n\n/gm)].map(
      ([, id = '', name = '', data = '']) => ({ id, name, data: JSON.parse(data) }),
    );
  }

  get names(): string[] {
    return this.events.map(({ name }) => name);
  }

  get lastId(): string {
    return [...this.text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? '';
  }

  async has(count: number): Promise<void> {
    await until(() => this.events.length >= count);
  }

  [Symbol.dispose](): void {
    this.#request.destroy();
  }
}

/** A reader for whom every event is too much at once. */
class SlowResponse extends EventEmitter {
  readonly writableEnded = false;
  readonly sent: string[] = [];
  isDestroyed = false;

  writeHead(): void {}

  write(text: string): boolean {
    this.sent.push(text);
    return !text.startsWith('id:');
  }

  destroy(): void {
    this.isDestroyed = true;
  }
}

async function addRule(fixture: OwnerFixture, note = ''): Promise<string> {
  return (await fixture.ask('POST', '/owner/rules', { kind: 'hold', app: 'nobody', note })).json.id;
}

describe('GET /owner/events', () => {
  it('tells of exports as their list does, and of rules, without a payload', async () => {
    await using fixture = await OwnerFixture.start();
    using reader = await Reader.open(fixture);
    assert.equal(reader.response.headers['content-type'], 'text/event-stream; charset=utf-8');
    assert.equal(reader.response.headers['cache-control'], 'no-store');
    await until(() => reader.text.includes('\n\n'));
    assert.match(reader.text, /^retry: 2000\nid: [0-9a-f]+-0\n\n/);
    const id = await fixture.insert();
    await reader.has(1);
    assert.deepEqual(
      reader.events[0]?.data,
      JSON.parse((await fixture.ask('GET', `/owner/exports/${id}`)).text),
    );
    await fixture.ask('POST', `/owner/exports/${id}/cancel`);
    fixture.clock.advance(PACE_MS);
    await reader.has(2);
    assert.equal(reader.events[1]?.data.outcome, 'cancelled');
    const rule = await addRule(fixture, 'a line\nand another');
    await fixture.ask('DELETE', `/owner/rules/${rule}`);
    await reader.has(4);
    assert.deepEqual(
      reader.events.slice(2).map(({ name, data }) => [name, data.change]),
      [
        ['rule', 'added'],
        ['rule', 'removed'],
      ],
    );
    assert.ok(!reader.text.includes('secret'));
  });

  it('goes on after the last event that was read', async () => {
    await using fixture = await OwnerFixture.start();
    const first = await Reader.open(fixture);
    await addRule(fixture);
    await first.has(1);
    first[Symbol.dispose]();
    await until(() => first.isOver);
    const id = await fixture.insert();
    await addRule(fixture);
    using second = await Reader.open(fixture, { 'last-event-id': first.lastId });
    await second.has(2);
    assert.deepEqual(second.names.toSorted(), ['export', 'rule']);
    assert.equal(second.events.find(({ name }) => name === 'export')?.data.id, id);
    assert.doesNotMatch(second.text, /reset/);
  });

  it('goes on from a connection that ended before its first event', async () => {
    await using fixture = await OwnerFixture.start();
    const first = await Reader.open(fixture);
    await until(() => first.lastId !== '');
    first[Symbol.dispose]();
    await addRule(fixture);
    using second = await Reader.open(fixture, { 'last-event-id': first.lastId });
    await second.has(1);
    assert.deepEqual(second.names, ['rule']);
  });

  it('an id of another life of the service, or none of ours, says to read anew', async () => {
    await using before = await OwnerFixture.start();
    using old = await Reader.open(before);
    await addRule(before);
    await old.has(1);
    await using fixture = await OwnerFixture.start();
    await addRule(fixture);
    for (const lastId of [old.lastId, '7', 'x', `${old.lastId}9`]) {
      using reader = await Reader.open(fixture, { 'last-event-id': lastId });
      await reader.has(1);
      assert.deepEqual(reader.names, ['reset'], lastId);
      using next = await Reader.open(fixture, { 'last-event-id': reader.lastId });
      await addRule(fixture);
      await next.has(1);
      assert.deepEqual(next.names, ['rule'], 'and events go on from there');
    }
  });

  it('sends a comment when nothing happens', async () => {
    await using fixture = await OwnerFixture.start();
    using reader = await Reader.open(fixture);
    await until(() => reader.text.endsWith('\n\n'));
    const before = reader.text;
    fixture.clock.advance(15_000);
    await until(() => reader.text.length > before.length);
    assert.equal(reader.text, `${before}:\n\n`);
  });

  it('is bounded in number, and a place that is free again can be taken', async () => {
    await using fixture = await OwnerFixture.start({ eventStreamLimits: { streamsMax: 2 } });
    const first = await Reader.open(fixture);
    using _second = await Reader.open(fixture);
    const { status, json, headers } = await fixture.ask('GET', '/owner/events');
    assert.deepEqual([status, json.code], [429, 'too_many_waiting']);
    assert.ok(Number(headers['retry-after']) > 0);
    first[Symbol.dispose]();
    await until(async () => {
      using third = await Reader.open(fixture);
      return third.response.statusCode === 200;
    });
  });

  it('a reader that takes nothing is cut off, and comes back to where it was', async () => {
    await using fixture = await OwnerFixture.start();
    const slow = await Reader.open(fixture);
    await addRule(fixture);
    await slow.has(1);
    slow.response.pause();
    // Its socket takes a few megabytes before it says that it is full.
    const note = 'x'.repeat(1_000);
    const destination = `https://a.example/${'y'.repeat(2_000)}`;
    let count = 0;
    await until(async () => {
      for (let n = 0; n < 50; n += 1) {
        const { json } = await fixture.ask('POST', '/owner/rules', {
          kind: 'hold',
          destination,
          note,
          app: 'x',
        });
        await fixture.ask('DELETE', `/owner/rules/${json.id}`);
        count += 2;
      }
      fixture.clock.advance(29_999);
      await turn();
      return slow.isOver || count > 1_800;
    });
    fixture.clock.advance(30_000);
    slow.response.resume();
    await until(() => slow.isOver);
    assert.ok(slow.events.length < count, 'it was not sent everything');
  });

  it('is the owner’s alone, and ends when the token does', async () => {
    await using fixture = await OwnerFixture.start();
    for (const token of [null, tokenWith({ method: '*', destination: null })])
      assert.equal((await fixture.ask('GET', '/owner/events', undefined, { token })).status, 401);
    const more = ['time < 2026-01-01T00:00:10Z'];
    const token = tokenWith({ method: 'GET', path: '/owner/events', destination: null, more });
    using reader = await Reader.open(fixture, {}, token);
    await addRule(fixture);
    await reader.has(1);
    fixture.clock.advance(10_000);
    await addRule(fixture);
    await until(() => reader.isOver);
    assert.equal(reader.events.length, 1);
  });

  it('ends when its session is signed out', async () => {
    await using fixture = await OwnerFixture.start();
    const { code } = JSON.parse((await fixture.ask('POST', '/owner/links')).text);
    const opened = await fixture.ask('POST', '/ui/session', { code }, { token: null });
    const cookie = opened.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
    using reader = await Reader.open(fixture, { cookie }, null);
    await addRule(fixture);
    await reader.has(1);
    const origin = `http://127.0.0.1:${fixture.http.port}`;
    await fixture.ask('DELETE', '/ui/session', undefined, { token: null, headers: { cookie, origin } });
    await addRule(fixture);
    await until(() => reader.isOver);
    assert.equal(reader.events.length, 1);
  });

  it('asks again whose it is when its reader had to be waited for, before it sends more', async () => {
    const clock = new ManualClock();
    const feed = new OwnerFeed({ find: async () => null, render: () => '{}', clock, life: 'life' });
    const rule = { id: 'r', kind: 'hold', app: null, destination: null, note: null, createdAt: 0 } as const;
    let isOwner = true;
    const judge = async () => assert.ok(isOwner);
    const response = new SlowResponse();
    const streams = new EventStreams({ feed, clock, judge, limits: EVENT_STREAM_LIMITS });
    const request = { headersDistinct: {} } as unknown as http.IncomingMessage;
    streams.open(request, response as unknown as http.ServerResponse);
    feed.ruleChanged('added', rule);
    feed.ruleChanged('removed', rule);
    await until(() => response.sent.length === 2);
    isOwner = false;
    response.emit('drain');
    await until(() => response.isDestroyed);
    assert.deepEqual(
      response.sent.map((text) => text.split('\n')[0]),
      ['retry: 2000', 'id: life-1'],
    );
    response.emit('close');
    assert.equal(clock.scheduled, 0);
  });

  it('has no HEAD, which would never end', async () => {
    await using fixture = await OwnerFixture.start();
    const head = await fixture.ask('HEAD', '/owner/events');
    assert.deepEqual([head.status, head.headers.allow], [405, 'GET']);
  });

  it('a service that stops ends its streams', async () => {
    await using fixture = await OwnerFixture.start();
    using reader = await Reader.open(fixture);
    await fixture.http.server.close();
    await until(() => reader.isOver);
    assert.ok(reader.response.complete, 'in good order');
  });
});
