/** Method: a name server of this process on UDP, which c-ares asks as it would any other; time stands still. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { ManualClock } from '../../test/support/manual-clock.ts';
import { NameServer, type Zone } from '../../test/support/names/name-server.ts';
import { TemporaryDirectory } from '../../test/support/temporary-store.ts';
import { fullNames, type NameSources, systemNames } from './look-up.ts';
import { LOOKUP_MS_MAX, NameResolver } from './name-resolver.ts';

/** More than the threads of libuv's pool. */
const SILENT_NAMES = Array.from({ length: 8 }, (_, index) => `silent-${index}.test`);

class Fixture implements AsyncDisposable {
  readonly clock = new ManualClock();
  readonly server: NameServer;
  readonly resolver: NameResolver;

  private constructor(server: NameServer, sources: Partial<NameSources>) {
    this.server = server;
    this.resolver = new NameResolver({ sources: { ...server.sources, ...sources }, clock: this.clock });
  }

  static async start(zone: Zone, sources: Partial<NameSources> = {}): Promise<Fixture> {
    return new Fixture(await NameServer.start(zone), sources);
  }

  async addresses(name: string): Promise<string[]> {
    return (await this.resolver.find(name)).map(({ address, family }) => `${address} ${family}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resolver[Symbol.dispose]();
    assert.equal(this.clock.scheduled, 0);
    await this.server[Symbol.asyncDispose]();
  }
}

const failsWith = (code: string) => (error: NodeJS.ErrnoException) => error.code === code;

describe('a name whose servers are silent', () => {
  it('delays no other name, and no file, however many there are', async () => {
    const zone: Zone = Object.fromEntries(SILENT_NAMES.map((name) => [name, 'silent']));
    await using fixture = await Fixture.start({ ...zone, 'well.test': ['192.0.2.7'] });
    const silent = SILENT_NAMES.map((name) =>
      assert.rejects(fixture.resolver.find(name), failsWith('ETIMEOUT')),
    );
    await Promise.all(SILENT_NAMES.map((name) => fixture.server.asked(name)));

    assert.deepEqual(await fixture.addresses('well.test'), ['192.0.2.7 4']);
    assert.match(await readFile(import.meta.filename, 'utf8'), /Method/);

    fixture.clock.advance(LOOKUP_MS_MAX);
    await Promise.all(silent);
  });

  it('is asked about once for all who want it, and again after it failed', async () => {
    await using fixture = await Fixture.start({ 'silent.test': 'silent' });
    const both = ['silent.test', 'SILENT.test'].map((name) =>
      assert.rejects(fixture.resolver.find(name), failsWith('ETIMEOUT')),
    );
    await fixture.server.asked('silent.test');
    fixture.clock.advance(LOOKUP_MS_MAX - 1);
    assert.equal(fixture.clock.scheduled, 1);
    fixture.clock.advance(1);
    await Promise.all(both);
    assert.equal(fixture.server.questions.length, 2, 'A and AAAA');

    const again = assert.rejects(fixture.resolver.find('silent.test'), failsWith('ECANCELLED'));
    while (fixture.server.questions.length < 4) await fixture.server.heard();
    fixture.resolver[Symbol.dispose]();
    await again;
  });

  it('ends when the service stops, and so do those that come after', async () => {
    await using fixture = await Fixture.start({ 'silent.test': 'silent' });
    const asked = assert.rejects(fixture.resolver.find('silent.test'), failsWith('ECANCELLED'));
    await fixture.server.asked('silent.test');
    fixture.resolver[Symbol.dispose]();
    await asked;
    await assert.rejects(fixture.resolver.find('other.test'), failsWith('ECANCELLED'));
  });
});

describe('the addresses of a name', () => {
  it('are all that it has, of both families, asked for anew each time', async () => {
    await using fixture = await Fixture.start({ 'both.test': ['2001:db8::7', '192.0.2.7', '192.0.2.8'] });
    const expected = ['192.0.2.7 4', '192.0.2.8 4', '2001:db8::7 6'];
    for (const questions of [2, 4]) {
      assert.deepEqual((await fixture.addresses('both.test')).sort(), expected);
      assert.equal(fixture.server.questions.length, questions);
    }
  });

  it('may be of one family', async () => {
    await using fixture = await Fixture.start({ 'six.test': ['2001:db8::7'], 'four.test': ['192.0.2.7'] });
    assert.deepEqual(await fixture.addresses('six.test'), ['2001:db8::7 6']);
    assert.deepEqual(await fixture.addresses('four.test'), ['192.0.2.7 4']);
  });

  it('are not known while nobody answers for one of the families', async () => {
    await using fixture = await Fixture.start({ 'half.test': 'silent about IPv6' });
    const asked = assert.rejects(fixture.resolver.find('half.test'), failsWith('ETIMEOUT'));
    while (fixture.server.questions.length < 2) await fixture.server.heard();
    fixture.clock.advance(LOOKUP_MS_MAX);
    await asked;
  });

  it('one is enough where one is wanted, whatever is known of the other family', async () => {
    await using fixture = await Fixture.start({
      'half.test': 'silent about IPv6',
      'six.test': ['2001:db8::7'],
    });
    assert.equal(await fixture.resolver.first('half.test'), '192.0.2.1');
    assert.equal(await fixture.resolver.first('six.test'), '2001:db8::7');
    await assert.rejects(fixture.resolver.first('nobody.test'), failsWith('ENOTFOUND'));
  });

  it('there are none: the code says why', async () => {
    await using fixture = await Fixture.start({ 'empty.test': [], 'broken.test': 'servfail' });
    await assert.rejects(fixture.resolver.find('empty.test'), failsWith('ENOTFOUND'));
    await assert.rejects(fixture.resolver.find('nobody.test'), failsWith('ENOTFOUND'));
    await assert.rejects(fixture.resolver.find('broken.test'), failsWith('ESERVFAIL'));
    await assert.rejects(fixture.resolver.find(`${'x'.repeat(64)}.test`), failsWith('EBADNAME'));
  });

  it('of the hosts file are all that count, and nobody is asked', async () => {
    const hosts = new Map([['host.docker.internal', ['fd00::2', 'rubbish', '172.17.0.1']]]);
    await using fixture = await Fixture.start({}, { hosts: () => hosts });
    for (const name of ['host.docker.internal', 'Host.Docker.Internal.']) {
      assert.deepEqual(await fixture.addresses(name), ['172.17.0.1 4', 'fd00::2 6']);
    }
    assert.deepEqual(fixture.server.questions, []);
  });

  it('of this machine, and of an address, are known without asking', async () => {
    await using fixture = await Fixture.start({});
    for (const name of ['localhost', 'app.localhost.']) {
      assert.deepEqual(await fixture.addresses(name), ['127.0.0.1 4', '::1 6']);
    }
    assert.deepEqual(await fixture.addresses('192.0.2.1'), ['192.0.2.1 4']);
    assert.deepEqual(await fixture.addresses('2001:DB8::1'), ['2001:db8::1 6']);
    assert.deepEqual(fixture.server.questions, []);
  });
});

describe('a short name', () => {
  const search = () => ({ domains: ['broken.test', 'office.test'], dotsMin: 1 });

  it('is completed as resolv.conf says, past a domain that is out of order', async () => {
    const zone: Zone = { 'nas.broken.test': 'servfail', 'nas.office.test': ['192.0.2.9'] };
    await using fixture = await Fixture.start(zone, { search });
    assert.deepEqual(await fixture.addresses('nas'), ['192.0.2.9 4']);
  });

  it('that is nowhere found fails with what was heard instead of an answer', async () => {
    await using fixture = await Fixture.start({ 'nas.broken.test': 'servfail' }, { search });
    await assert.rejects(fixture.resolver.find('nas'), failsWith('ESERVFAIL'));
    await assert.rejects(fixture.resolver.find('printer'), failsWith('ENOTFOUND'));
  });

  it('is tried in the order of resolv.conf(5)', () => {
    const rules = { domains: ['a', 'b'], dotsMin: 2 };
    assert.deepEqual(fullNames('x.y', rules), ['x.y.a', 'x.y.b', 'x.y']);
    assert.deepEqual(fullNames('x.y.z', rules), ['x.y.z', 'x.y.z.a', 'x.y.z.b']);
    assert.deepEqual(fullNames('x.', rules), ['x']);
  });
});

describe('systemNames', () => {
  it('reads the hosts file and resolv.conf as they are now', () => {
    using directory = new TemporaryDirectory();
    const [hosts, resolvConf] = [directory.file('hosts'), directory.file('resolv.conf')];
    const sources = systemNames({ hosts, resolvConf });
    assert.equal(sources.hosts().size, 0);
    writeFileSync(hosts, '10.0.0.9 nas');
    writeFileSync(resolvConf, 'search office.test');
    assert.deepEqual(sources.hosts().get('nas'), ['10.0.0.9']);
    assert.deepEqual(sources.search().domains, ['office.test']);
    sources.openChannel().cancel();
  });
});
