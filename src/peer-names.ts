import { Resolver } from 'node:dns/promises';
import ipaddr from 'ipaddr.js';
import { contains, parseNetwork } from './addresses/network.ts';
import type { Clock } from './export/clock.ts';
import { LOOKUP_MS_MAX, PeerNames } from './export/peer-names.ts';

/**
 * Private networks: what a box's containers have. Anybody else's address is not asked about, since the question would go
 * out to the world; and this machine's own says nothing.
 */
const BOX_NETWORKS = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map(parseNetwork);

/** Names by the system's resolver, which in a container is the box's own. */
export function systemPeerNames(clock: Clock): PeerNames {
  const resolver = new Resolver({ timeout: LOOKUP_MS_MAX, tries: 1 });
  return new PeerNames({
    reverse: (address) => resolver.reverse(address),
    isOfBox: (address) => BOX_NETWORKS.some((network) => contains(network, ipaddr.parse(address))),
    clock,
  });
}
