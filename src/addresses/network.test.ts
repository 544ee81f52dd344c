import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import ipaddr from 'ipaddr.js';
import { contains, isMappedNetwork, parseNetwork } from './network.ts';

describe('parseNetwork', () => {
  for (const cidr of [
    '10.0.0.0/8',
    '127.0.0.1/32',
    '0.0.0.0/0',
    '::/0',
    'fd00::/8',
    '::1/128',
    '192.168.4.0/22',
    'FD00:0:0::/48',
  ]) {
    it(`reads ${cidr}`, () => assert.equal(parseNetwork(cidr).cidr, cidr));
  }

  for (const cidr of [
    '',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/8 ',
    '10/8',
    '010.0.0.0/8',
    'fe80::%eth0/64',
    '::/129',
    'home/8',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
  ]) {
    it(`refuses "${cidr}"`, () => {
      assert.throws(() => parseNetwork(cidr), {
        name: 'NetworkError',
        message: /^must be a network such as /,
      });
    });
  }

  for (const [cidr, begin] of [
    ['10.0.0.1/8', '10.0.0.0/8'],
    ['192.168.5.0/22', '192.168.4.0/22'],
    ['fd00::1/8', 'fd00::/8'],
    ['1.2.3.4/0', '0.0.0.0/0'],
  ]) {
    it(`refuses ${cidr}, in which nobody can tell machine from network`, () => {
      assert.throws(() => parseNetwork(cidr ?? ''), {
        name: 'NetworkError',
        message: `must begin where the network begins: ${begin}`,
      });
    });
  }
});

describe('contains', () => {
  it('holds to the edges, and keeps the two families apart', () => {
    const network = parseNetwork('192.168.4.0/22');
    const isIn = (ip: string): boolean => contains(network, ipaddr.parse(ip));
    assert.deepEqual(
      ['192.168.3.255', '192.168.4.0', '192.168.7.255', '192.168.8.0', '::ffff:192.168.4.1'].map(isIn),
      [false, true, true, false, false],
    );
    assert.ok(contains(parseNetwork('::/0'), ipaddr.parse('::1')));
    assert.ok(!contains(parseNetwork('::/0'), ipaddr.parse('1.2.3.4')));
  });
});

describe('isMappedNetwork', () => {
  it('knows the addresses that stand for IPv4 ones', () => {
    assert.ok(isMappedNetwork(parseNetwork('::ffff:10.0.0.0/104')));
    assert.ok(!isMappedNetwork(parseNetwork('::/0')));
    assert.ok(!isMappedNetwork(parseNetwork('10.0.0.0/8')));
  });
});
