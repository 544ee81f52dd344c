/** One-time links and the sessions that they open. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { MemorySecrets } from '../../test/support/memory-secrets.ts';
import { MasterKey } from './master-key.ts';
import { LINK_MS, LINKS_MAX, OwnerSessions, SESSION_MS, SESSIONS_MAX } from './owner-sessions.ts';

class Bench {
  readonly clock = new ManualClock();
  readonly secrets = new MemorySecrets();
  readonly masterKey = new MasterKey(randomBytes(32));
  readonly sessions = this.instance();

  /** Another process on the same store. */
  instance(): OwnerSessions {
    const store = { secrets: this.secrets, storeTime: (steady: number) => steady };
    return new OwnerSessions({ ...this, store });
  }

  async signIn(): Promise<string> {
    const { secret: code } = await this.sessions.createLink();
    return openedBy(await this.sessions.redeem(code));
  }
}

function openedBy(redemption: Awaited<ReturnType<OwnerSessions['redeem']>>): string {
  assert.equal(redemption.kind, 'opened');
  return redemption.kind === 'opened' ? redemption.secret : '';
}

describe('OwnerSessions', () => {
  it('a code opens one session, which another instance and the next start know', async () => {
    const bench = new Bench();
    const { secret: code, expiresAt } = await bench.sessions.createLink();
    assert.equal(expiresAt, bench.clock.now() + LINK_MS);
    const redemption = await bench.instance().redeem(code);
    assert.equal(redemption.kind === 'opened' && redemption.expiresAt, bench.clock.now() + SESSION_MS);
    assert.ok(await bench.instance().isOpen(openedBy(redemption)));
    assert.equal(await bench.sessions.isOpen(code), false, 'the code is no session');
    assert.equal(await bench.sessions.isOpen('another'), false);
  });

  it('a secret that opens nothing makes nothing be written, whatever it is to end', async () => {
    const bench = new Bench();
    const secret = await bench.signIn();
    const before = await bench.secrets.get('owner sessions');
    for (const other of ['', 'x', `${secret}x`]) await bench.sessions.end(other);
    assert.deepEqual(await bench.secrets.get('owner sessions'), before);
    await bench.sessions.end(secret);
    const after = await bench.secrets.get('owner sessions');
    assert.notDeepEqual(after, before);
    await bench.sessions.end(secret);
    assert.deepEqual(await bench.secrets.get('owner sessions'), after);
  });

  it('a code that was used, ran out or never was says which', async () => {
    const bench = new Bench();
    const [used, late] = [await bench.sessions.createLink(), await bench.sessions.createLink()];
    await bench.sessions.redeem(used.secret);
    assert.deepEqual(await bench.sessions.redeem(used.secret), { kind: 'used' });
    bench.clock.advance(LINK_MS - 1);
    const last = await bench.sessions.createLink();
    bench.clock.advance(1);
    assert.deepEqual(await bench.sessions.redeem(late.secret), { kind: 'expired' });
    assert.deepEqual(await bench.sessions.redeem('x'), { kind: 'unknown' });
    assert.equal((await bench.sessions.redeem(last.secret)).kind, 'opened');
    assert.deepEqual(await bench.sessions.redeem(used.secret), { kind: 'used' }, 'still known');
    bench.clock.advance(25 * 3_600_000);
    await bench.sessions.createLink();
    assert.deepEqual(await bench.sessions.redeem(used.secret), { kind: 'unknown' }, 'forgotten after a day');
  });

  it('of two that come with one code at the same moment one is let in', async () => {
    const bench = new Bench();
    const { secret: code } = await bench.sessions.createLink();
    const others = [bench.sessions, bench.instance(), bench.instance()];
    const kinds = (await Promise.all(others.map((each) => each.redeem(code)))).map(({ kind }) => kind);
    assert.deepEqual(kinds.sort(), ['opened', 'used', 'used']);
  });

  it('a session ends after its time, and when it is signed out', async () => {
    const bench = new Bench();
    const [first, second] = [await bench.signIn(), await bench.signIn()];
    await bench.sessions.end(first);
    await bench.sessions.end(first);
    assert.equal(await bench.sessions.isOpen(first), false);
    bench.clock.advance(SESSION_MS - 1);
    assert.equal(await bench.sessions.isOpen(second), true);
    bench.clock.advance(1);
    assert.equal(await bench.sessions.isOpen(second), false);
  });

  it('a wall clock that is set neither prolongs nor ends a session', async () => {
    const bench = new Bench();
    const secret = await bench.signIn();
    bench.clock.jump(10 * SESSION_MS);
    assert.equal(await bench.sessions.isOpen(secret), true);
    bench.clock.jump(-20 * SESSION_MS);
    bench.clock.advance(SESSION_MS);
    assert.equal(await bench.sessions.isOpen(secret), false);
  });

  it('links and sessions are bounded: the oldest leaves', async () => {
    const bench = new Bench();
    const oldest = await bench.sessions.createLink();
    const next = await bench.sessions.createLink();
    for (let n = 1; n < LINKS_MAX; n += 1) await bench.sessions.createLink();
    assert.deepEqual(await bench.sessions.redeem(oldest.secret), { kind: 'unknown' });
    const first = openedBy(await bench.sessions.redeem(next.secret));
    for (let n = 1; n < SESSIONS_MAX; n += 1) await bench.signIn();
    assert.equal(await bench.sessions.isOpen(first), true);
    await bench.signIn();
    assert.equal(await bench.sessions.isOpen(first), false);
  });

  it('neither code nor secret is in the store, and nothing is written for what is refused', async () => {
    const bench = new Bench();
    const { secret: code } = await bench.sessions.createLink();
    const secret = openedBy(await bench.sessions.redeem(code));
    const sealed = (await bench.secrets.get('owner sessions')) ?? new Uint8Array();
    const opened = Buffer.from(bench.masterKey.open('owner sessions', sealed)).toString();
    for (const hidden of [code, secret]) assert.ok(!opened.includes(hidden));
    const { writes } = bench.secrets;
    await bench.sessions.redeem(code);
    await bench.sessions.redeem('never was');
    assert.equal(bench.secrets.writes, writes);
  });
});
