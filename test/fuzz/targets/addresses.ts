/** Addresses and URLs: what the guard allows, a second list of what is not public must not hold. */
import assert from 'node:assert/strict';
import { BlockList, isIP } from 'node:net';
import { NetworkError, parseNetwork } from '../../../src/addresses/network.ts';
import { createEgressGuard, hostOf } from '../../../src/delivery/egress-guard.ts';
import { parseDestination } from '../../../src/export/destination.ts';
import { ExportError } from '../../../src/export/errors.ts';
import { noNames } from '../../support/names/no-names.ts';
import { type FuzzTarget, mustBe } from '../target.ts';

/** Written down once more, for another matcher, so that a slip in one of the two shows. */
const NOT_PUBLIC = new BlockList();
for (const cidr of [
  ...[
    '0.0.0.0/8',
    '10.0.0.0/8',
    '100.64.0.0/10',
    '127.0.0.0/8',
    '169.254.0.0/16',
    '172.16.0.0/12',
    '192.0.0.0/24',
  ],
  ...[
    '192.0.2.0/24',
    '192.88.99.0/24',
    '192.168.0.0/16',
    '198.18.0.0/15',
    '198.51.100.0/24',
    '203.0.113.0/24',
  ],
  ...['224.0.0.0/4', '240.0.0.0/4', '::/96', 'fe80::/10', 'fec0::/10', 'fc00::/7', 'ff00::/8', '100::/64'],
  ...['2001:db8::/32', '3fff::/20', '5f00::/16'],
]) {
  const [address = '', prefix = ''] = cidr.split('/');
  NOT_PUBLIC.addSubnet(address, Number(prefix), isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

export function open(): FuzzTarget {
  const guard = createEgressGuard({ allowHttp: false, allowNetworks: [], resolver: noNames });
  return {
    seeds: [
      ...[
        'https://8.8.8.8/in',
        'https://example.org:8443/in?x=1',
        'https://[2606:4700::1]/',
        'https://0x7f.1/',
        'https://127.0.0.1.:1/',
      ],
      ...[
        'https://[::ffff:10.0.0.1]/',
        'https://[64:ff9b::a00:1]/',
        'https://[2002:a00:1::]/',
        'https://[2001:0:808:808::f5ff:fffe]/',
      ],
      ...[
        'https://user:pw@example.org/',
        'https://１２７.0.0.1/',
        'https://2130706433/',
        '10.0.0.0/8',
        'fd00::/8',
        '64:ff9b:1::/48',
      ],
    ].map((text) => Buffer.from(text)),
    dictionary: [
      ...[
        'https://',
        'http://',
        '//',
        '@',
        ':',
        '::',
        '[',
        ']',
        '%25',
        '%',
        '/',
        '?',
        '#',
        '\\',
        '.',
        '。',
        '0x',
        '00',
        '/8',
        '/128',
      ],
      ...[
        '127.0.0.1',
        '169.254.169.254',
        '::ffff:',
        '64:ff9b::',
        '64:ff9b:1:',
        '2002:',
        '2001:0:',
        'fd00:ec2::254',
        'localhost',
        '①',
      ],
    ],
    check(input) {
      const text = Buffer.from(input).toString('utf8');
      readNetwork(text);
      const verdict = guard.classify(text);
      if (verdict.allowed) assertPublic(text);
      return refusalOf(text) ?? (verdict.allowed ? 'an allowed address' : 'no URL');
    },
  };

  function refusalOf(text: string): string | null {
    try {
      const { url } = parseDestination(text);
      if (guard.refusal(url) !== null) return 'refused';
      assert.equal(url.protocol, 'https:');
      assert.equal(url.username + url.password, '');
      const host = hostOf(url);
      if (isIP(host) !== 0) assertPublic(host);
      return isIP(host) === 0 ? 'a name, left to the lookup' : 'allowed';
    } catch (error) {
      mustBe(error, ExportError);
      return null;
    }
  }
}

function readNetwork(text: string): void {
  try {
    const { prefixBits } = parseNetwork(text);
    assert.ok(prefixBits >= 0 && prefixBits <= 128);
  } catch (error) {
    mustBe(error, NetworkError);
  }
}

function assertPublic(address: string): void {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
  assert.ok(isIP(address) !== 0, address);
  assert.ok(!NOT_PUBLIC.check(address, family), `${address} was allowed`);
}
