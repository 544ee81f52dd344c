import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import ipaddr from 'ipaddr.js';
import { noNames } from '../../test/support/names/no-names.ts';
import { type Network, parseNetwork } from '../addresses/network.ts';
import {
  AddressRefusedError,
  assertLiteralAllowed,
  classifyAddress,
  createEgressGuard,
  hostOf,
  NameResolutionError,
  type Resolver,
} from './egress-guard.ts';

const allow = (...cidrs: string[]): { allowNetworks: Network[] } => ({
  allowNetworks: cidrs.map(parseNetwork),
});

const NOTHING_OPEN = allow();

/** `allowed` or the reason. */
function verdict(address: string, policy = NOTHING_OPEN): string {
  const result = classifyAddress(address, policy);
  return result.allowed ? 'allowed' : result.reason;
}

/** Every range with its last neighbour before, first, last and first neighbour after; a dash where there is none. */
const IPV4_RANGES = `
  -                 unspecified          0.0.0.0          0.255.255.255    1.0.0.0
  9.255.255.255     private              10.0.0.0         10.255.255.255   11.0.0.0
  100.63.255.255    shared               100.64.0.0       100.127.255.255  100.128.0.0
  126.255.255.255   loopback             127.0.0.0        127.255.255.255  128.0.0.0
  169.253.255.255   link_local           169.254.0.0      169.254.255.255  169.255.0.0
  172.15.255.255    private              172.16.0.0       172.31.255.255   172.32.0.0
  191.255.255.255   protocol_assignment  192.0.0.0        192.0.0.255      192.0.1.0
  192.0.1.255       documentation        192.0.2.0        192.0.2.255      192.0.3.0
  192.88.98.255     relay_anycast        192.88.99.0      192.88.99.255    192.88.100.0
  192.167.255.255   private              192.168.0.0      192.168.255.255  192.169.0.0
  198.17.255.255    benchmarking         198.18.0.0       198.19.255.255   198.20.0.0
  198.51.99.255     documentation        198.51.100.0     198.51.100.255   198.51.101.0
  203.0.112.255     documentation        203.0.113.0      203.0.113.255    203.0.114.0
  223.255.255.255   multicast            224.0.0.0        239.255.255.255  -
  -                 reserved             240.0.0.0        255.255.255.254  -
  -                 broadcast            255.255.255.255  255.255.255.255  -
`;

const MAX = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
const after = (prefix: string): string => prefix + MAX.slice(prefix.length);

const IPV6_RANGES = `
  -  unspecified          ::          ::                                        -
  -  loopback             ::1         ::1                                       -
  -  ipv4_compatible      ::2         ::ffff:ffff                               -
  -  reserved             0:0:0:0:0:1:0:0  0:0:0:0:0:fffe:ffff:ffff             -
  -  discard              100::       100::ffff:ffff:ffff:ffff                  -
  -  reserved             100:0:0:1::  ${after('1fff:')}                        2000::
  ${after('2000:')}   protocol_assignment  2001:1::  ${after('2001:01ff:')}     2001:200::
  ${after('2001:0db7:')}  documentation  2001:db8::  ${after('2001:0db8:')}     2001:db9::
  ${after('3ffe:')}   documentation   3fff::      ${after('3fff:0fff:')}        3fff:1000::
  ${after('3fff:')}   reserved        4000::      ${after('5eff:')}             -
  -  segment_routing      5f00::      ${after('5f00:')}                         -
  -  reserved             5f01::      ${after('fbff:')}                         -
  -  unique_local         fc00::      ${after('fdff:')}                         -
  -  reserved             fe00::      ${after('fe7f:')}                         -
  -  link_local           fe80::      ${after('febf:')}                         -
  -  site_local           fec0::      ${after('feff:')}                         -
  -  multicast            ff00::      ${MAX}                                    -
`;

function rows(table: string): string[][] {
  return table
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
}

describe('classifyAddress', () => {
  for (const [before = '', reason = '', first = '', last = '', next = ''] of [
    ...rows(IPV4_RANGES),
    ...rows(IPV6_RANGES),
  ]) {
    it(`refuses ${first} to ${last} as ${reason}, and not their public neighbours`, () => {
      assert.equal(verdict(first), reason);
      assert.equal(verdict(last), reason);
      if (before !== '-') assert.equal(verdict(before), 'allowed', before);
      if (next !== '-') assert.equal(verdict(next), 'allowed', next);
    });
  }

  /** How an IPv4 address looks inside an IPv6 one. */
  const hex = (ip: string): string => {
    const [a = 0, b = 0, c = 0, d = 0] = ip.split('.').map(Number);
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  };
  const turned = (ip: string): string =>
    hex(
      ip
        .split('.')
        .map((byte) => Number(byte) ^ 0xff)
        .join('.'),
    );
  const EMBEDDED: Record<string, (ip: string) => string> = {
    mapped: (ip) => `::ffff:${ip}`,
    'mapped, in hexadecimal': (ip) => `::ffff:${hex(ip)}`,
    'mapped, written out': (ip) => `0:0:0:0:0:FFFF:${hex(ip)}`,
    NAT64: (ip) => `64:ff9b::${ip}`,
    'local NAT64, in the last four bytes': (ip) => `64:ff9b:1::${ip}`,
    '6to4': (ip) => `2002:${hex(ip)}::1`,
    'a Teredo client': (ip) => `2001:0:808:808:8000:ffff:${turned(ip)}`,
    'a Teredo server': (ip) => `2001:0:${hex(ip)}:8000:ffff:${turned('8.8.8.8')}`,
  };

  for (const [form, embed] of Object.entries(EMBEDDED)) {
    it(`judges an IPv4 address inside an IPv6 one by what is inside: ${form}`, () => {
      for (const [before = '', reason = '', first = '', last = '', next = ''] of rows(IPV4_RANGES)) {
        assert.equal(verdict(embed(first)), reason, embed(first));
        assert.equal(verdict(embed(last)), reason, embed(last));
        if (before !== '-') assert.equal(verdict(embed(before)), 'allowed', embed(before));
        if (next !== '-') assert.equal(verdict(embed(next)), 'allowed', embed(next));
      }
    });

    it(`opens a named network in this form too: ${form}`, () => {
      assert.equal(verdict(embed('127.0.0.1'), allow('127.0.0.0/8')), 'allowed');
      assert.equal(verdict(embed('10.0.0.1'), allow('127.0.0.0/8')), 'private');
    });
  }

  /** The four places of RFC 6052, section 2.2. */
  const LOCAL_NAT64: Record<string, (a: string, b: string, c: string, d: string) => string> = {
    '/48': (a, b, c, d) => `64:ff9b:1:${a}${b}:00${c}:${d}00::`,
    '/56': (a, b, c, d) => `64:ff9b:1:00${a}:00${b}:${c}${d}::`,
    '/64': (a, b, c, d) => `64:ff9b:1:0:00${a}:${b}${c}:${d}00:0`,
    '/96': (a, b, c, d) => `64:ff9b:1::${a}${b}:${c}${d}`,
  };

  for (const [place, embed] of Object.entries(LOCAL_NAT64)) {
    it(`judges a local NAT64 address by what any translator may find inside: ${place}`, () => {
      assert.equal(verdict(embed('08', '08', '08', '08')), 'allowed');
      assert.equal(verdict(embed('7f', '00', '00', '01')), 'loopback');
      assert.equal(verdict(embed('0a', '01', '02', '03')), 'private');
      assert.equal(verdict(embed('a9', 'fe', 'a9', 'fe'), allow('64:ff9b:1::/48')), 'metadata');
    });
  }

  it('refuses a local NAT64 address when a single one of its readings is refused', () => {
    assert.equal(verdict('64:ff9b:1:808:808:808:808:808'), 'allowed');
    assert.equal(verdict('64:ff9b:1:7f00:0:100:808:808'), 'loopback', '/48');
    assert.equal(verdict('64:ff9b:1:87f:0:1:808:808'), 'loopback', '/56');
    assert.equal(verdict('64:ff9b:1:808:7f:0:108:808'), 'loopback', '/64');
    assert.equal(verdict('64:ff9b:1:808:8:808:127.0.0.1'), 'loopback', '/96');
    assert.equal(verdict('64:ff9b:1::'), 'unspecified');
  });

  it('opens a local NAT64 network by its name', () => {
    assert.equal(verdict('64:ff9b:1::10.1.2.3', allow('64:ff9b:1::/48')), 'allowed');
  });

  it('opens what is named, to its edges', () => {
    const policy = allow('192.168.4.0/22', 'fd12:3456::/32', '::1/128');
    assert.equal(verdict('192.168.3.255', policy), 'private');
    assert.equal(verdict('192.168.4.0', policy), 'allowed');
    assert.equal(verdict('192.168.7.255', policy), 'allowed');
    assert.equal(verdict('192.168.8.0', policy), 'private');
    assert.equal(verdict('fd12:3456::1', policy), 'allowed');
    assert.equal(verdict('fd12:3457::1', policy), 'unique_local');
    assert.equal(verdict('::1', policy), 'allowed');
    assert.equal(verdict('127.0.0.1', policy), 'loopback');
  });

  it('never opens a metadata address, in any form', () => {
    const everything = allow('0.0.0.0/0', '::/0');
    const forms = [
      ...Object.values(EMBEDDED),
      (ip: string) => ip,
      (ip: string) => `::${ip}`,
      (ip: string) => `::ffff:0:${ip}`,
    ];
    for (const ip of ['169.254.169.254', '100.100.100.200', '192.0.0.192']) {
      for (const form of forms) assert.equal(verdict(form(ip), everything), 'metadata', form(ip));
    }
    assert.equal(verdict('fd00:ec2::254', everything), 'metadata');
    assert.equal(verdict('fd00:0ec2:0:0:0:0:0:254', everything), 'metadata');
    const neighbours = [
      ...[
        '169.254.169.253',
        '169.254.169.255',
        '100.100.100.199',
        '100.100.100.201',
        '192.0.0.191',
        '192.0.0.193',
      ],
      ...['fd00:ec2::253', 'fd00:ec2::255'],
    ];
    for (const ip of neighbours) assert.equal(verdict(ip, everything), 'allowed', ip);
  });

  it('judges an address of ISATAP by its prefix and by what is inside, and opens none of metadata', () => {
    for (const identifier of ['0:5efe', '200:5efe']) {
      const cases: [address: string, closed: string, open: string][] = [
        [`2606:4700:0:1:${identifier}:8.8.8.8`, 'allowed', 'allowed'],
        [`2606:4700:0:1:${identifier}:10.0.0.1`, 'private', 'allowed'],
        [`2606:4700:0:1:${identifier}:127.0.0.1`, 'loopback', 'allowed'],
        [`2606:4700:0:1:${identifier}:169.254.169.254`, 'metadata', 'metadata'],
        [`fe80::${identifier}:8.8.8.8`, 'link_local', 'allowed'],
        [`fe80::${identifier}:169.254.169.254`, 'metadata', 'metadata'],
        [`fd00::${identifier}:100.100.100.200`, 'metadata', 'metadata'],
      ];
      for (const [address, closed, open] of cases) {
        assert.equal(verdict(address), closed, address);
        assert.equal(verdict(address, allow('::/0')), open, address);
      }
    }
    // Its neighbours are no ISATAP.
    for (const identifier of ['0:5efd', '0:5eff', '100:5efe', '1:5efe']) {
      assert.equal(verdict(`2606:4700:0:1:${identifier}:10.0.0.1`), 'allowed', identifier);
    }
    const policy = allow('10.0.0.0/8');
    assert.equal(verdict('2606:4700:0:1:0:5efe:10.0.0.1', policy), 'allowed');
    assert.equal(verdict('fe80::5efe:10.0.0.1', policy), 'link_local');
  });

  for (const address of ['fe80::1%eth0', '2606:4700::1%1', '8.8.8.8%eth0']) {
    it(`refuses an address with a scope: ${address}`, () => {
      assert.equal(verdict(address, allow('::/0', '0.0.0.0/0')), 'scoped');
    });
  }

  for (const address of [
    '',
    'localhost',
    '8.8.8',
    '134744072',
    '0x8.8.8.8',
    '08.8.8.8',
    '8.8.8.8 ',
    '[::1]',
    ':::',
  ]) {
    it(`refuses what is no canonical address: "${address}"`, () => {
      assert.equal(verdict(address, allow('::/0', '0.0.0.0/0')), 'unparsable');
    });
  }

  it('says which range, and what an embedded address stands for', () => {
    const result = classifyAddress('::ffff:10.1.2.3', NOTHING_OPEN);
    assert.equal(
      result.allowed === false && result.detail,
      '::ffff:10.1.2.3 (stands for 10.1.2.3) is in 10.0.0.0/8 (private)',
    );
  });

  it('allows no IPv4 address that ipaddr.js does not call unicast, mapped or not', () => {
    fc.assert(
      fc.property(fc.ipV4(), (ip) => {
        assert.equal(verdict(ip), verdict(`::ffff:${ip}`));
        // Two anycast services with public addresses.
        const range = ipaddr.IPv4.parse(ip).range();
        if (verdict(ip) === 'allowed')
          assert.ok(['unicast', 'as112', 'amt'].includes(range), `${ip}: ${range}`);
      }),
    );
  });
});

describe('refusal of a URL', () => {
  const strict = createEgressGuard({ allowHttp: false, ...NOTHING_OPEN, resolver: noNames });
  const refusal = (url: string, guard = strict): string | null => guard.refusal(new URL(url));

  it('lets names pass, whatever they resolve to', () => {
    assert.equal(refusal('https://example.org/in'), null);
    assert.equal(refusal('https://localhost:8443/in?x=1'), null);
    assert.equal(refusal('https://8.8.8.8/in'), null);
    assert.equal(refusal('https://[2606:4700::1]/in'), null);
  });

  it('demands https:, or http: where that is allowed', () => {
    const lax = createEgressGuard({ allowHttp: true, ...NOTHING_OPEN, resolver: noNames });
    assert.match(refusal('http://example.org/') ?? '', /https:/);
    assert.equal(refusal('http://example.org/', lax), null);
    for (const url of [
      'ftp://example.org/',
      'file:///etc/passwd',
      'ws://example.org/',
      'data:,x',
      'HTTPX://a/',
    ]) {
      assert.match(refusal(url, lax) ?? '', /URLs/, url);
    }
  });

  it('refuses credentials', () => {
    for (const url of ['https://user@example.org/', 'https://:pw@example.org/', 'https://u:p@example.org/']) {
      assert.match(refusal(url) ?? '', /password/, url);
    }
  });

  for (const host of [
    '127.0.0.1',
    '127.0.0.1.',
    '127.1',
    '2130706433',
    '0x7f000001',
    '0x7f.1',
    '0177.0.0.1',
    '017700000001',
    '127。0。0。1',
    '１２７.0.0.1',
    '%31%32%37.0.0.1',
    '0',
    '①②⑦.0.0.1',
    '127.0.0.1。',
    '0x7F.0x0.0x0.0x1.',
    '00000000000000000177.1',
    '0300.0250.1',
    '10.0x0.1',
    '4294967295',
    '169.254.169.254',
    '0xa9fea9fe',
    '2852039166',
    '0251.0376.0251.0376',
    '169.16689662',
    '[::1]',
    '[::]',
    '[0:0:0:0:0:0:0:1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[0:0:0:0:0:FFFF:7f00:0001]',
    '[64:ff9b::a9fe:a9fe]',
    '[2002:7f00:1::]',
    '[2001:0:808:808::80ff:fffe]',
    '[64:ff9b::10.0.0.1]',
    '[fe80::1]',
    '[fd00:ec2::254]',
  ]) {
    it(`classifies a literal address, however it is written: ${host}`, () => {
      assert.match(refusal(`https://${host}/`) ?? '', /^The address /);
    });
  }

  for (const host of [
    '127.0.0.1',
    '0x7f.1',
    '[::1]',
    '10.0.0.1',
    '169.254.169.254',
    '8.8.8.8',
    'example.org',
  ]) {
    it(`is the same for every port: ${host}`, () => {
      const verdicts = ['', ':0', ':1', ':80', ':443', ':8080', ':65535', ':00443', ':'].map((port) =>
        refusal(`https://${host}${port}/`),
      );
      assert.equal(new Set(verdicts).size, 1, String(verdicts));
    });
  }

  it('has nothing to say of a name, with a trailing dot or not, in whatever alphabet: the lookup has', () => {
    for (const host of [
      'example.org.',
      'localhost.',
      'bücher.example',
      'xn--bcher-kva.example',
      'ｌｏｃａｌｈｏｓｔ',
    ]) {
      assert.equal(refusal(`https://${host}/`), null, host);
    }
  });

  for (const host of [
    '[fe80::1%25eth0]',
    '[fe80::1%eth0]',
    '[::1',
    '127.0.0.256',
    '1.2.3.4.5',
    '0x100000000',
    '08.1',
  ]) {
    it(`never comes to what is no URL: ${host}`, () => assert.equal(URL.parse(`https://${host}/`), null));
  }

  it('lets a literal address pass that is in a named network', () => {
    const guard = createEgressGuard({
      allowHttp: true,
      ...allow('127.0.0.0/8', '::1/128'),
      resolver: noNames,
    });
    assert.equal(refusal('http://127.1:8080/', guard), null);
    assert.equal(refusal('http://[::1]:8080/', guard), null);
    assert.notEqual(refusal('http://10.0.0.1/', guard), null);
  });
});

describe('lookup', () => {
  const address = (ip: string): LookupAddress => ({ address: ip, family: ip.includes(':') ? 6 : 4 });

  function lookup(
    ips: string[] | NodeJS.ErrnoException,
    options: object = { all: true },
    policy = NOTHING_OPEN,
  ): Promise<unknown[]> {
    const resolver: Resolver = (_name, { all }, callback) => {
      assert.equal(all, true, 'all addresses are asked for, always');
      if (ips instanceof Error) callback(ips, undefined as unknown as LookupAddress[]);
      else callback(null, ips.map(address));
    };
    const guard = createEgressGuard({ allowHttp: false, ...policy, resolver });
    return new Promise((resolve, reject) => {
      guard.lookup('name.test', options, (error, ...result) => (error ? reject(error) : resolve(result)));
    });
  }

  it('hands out all addresses, or the first, as asked', async () => {
    assert.deepEqual(await lookup(['8.8.8.8', '2606:4700::1']), [
      [address('8.8.8.8'), address('2606:4700::1')],
    ]);
    assert.deepEqual(await lookup(['8.8.8.8', '2606:4700::1'], {}), ['8.8.8.8', 4]);
  });

  for (const ips of [
    ['10.0.0.1'],
    ['8.8.8.8', '10.0.0.1'],
    ['10.0.0.1', '8.8.8.8'],
    ['8.8.8.8', '::ffff:10.0.0.1'],
  ]) {
    it(`refuses a name that resolves to ${ips.join(' and ')}`, async () => {
      for (const options of [{ all: true }, {}]) {
        await assert.rejects(lookup(ips, options), (error) => {
          assert.ok(error instanceof AddressRefusedError);
          assert.equal(error.verdict.reason, 'private');
          assert.match(error.message, /"name\.test".*10\.0\.0\.0\/8/);
          return true;
        });
      }
    });
  }

  it('lets a named network through', async () => {
    assert.deepEqual(await lookup(['10.0.0.1'], {}, allow('10.0.0.0/8')), ['10.0.0.1', 4]);
  });

  it('says when a name has no address', async () => {
    const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND name.test'), { code: 'ENOTFOUND' });
    await assert.rejects(lookup(notFound), (error) => {
      assert.ok(error instanceof NameResolutionError);
      assert.equal(error.cause, notFound);
      assert.match(error.message, /"name\.test".*ENOTFOUND/);
      return true;
    });
    await assert.rejects(lookup([]), NameResolutionError);
  });
});

describe('assertLiteralAllowed', () => {
  const guard = createEgressGuard({ allowHttp: false, ...NOTHING_OPEN, resolver: noNames });

  it('judges addresses and leaves names to lookup', () => {
    assert.throws(() => assertLiteralAllowed('127.0.0.1', guard), AddressRefusedError);
    assert.throws(() => assertLiteralAllowed('fe80::1%lo', guard), AddressRefusedError);
    assert.throws(() => assertLiteralAllowed(hostOf({ hostname: '[::1]' }), guard), AddressRefusedError);
    assert.doesNotThrow(() => assertLiteralAllowed('localhost', guard));
    assert.doesNotThrow(() => assertLiteralAllowed('8.8.8.8', guard));
  });
});
