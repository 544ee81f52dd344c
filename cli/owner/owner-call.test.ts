import assert from 'node:assert/strict';
import { it } from 'node:test';
import { parseConfig, readArguments } from '../../src/config.ts';
import { OWNER_FLAGS, type OwnerCall, ownerClient } from './owner-call.ts';

/** How a call ends where no token can be made, for this reason. */
function callWithout(reason: string) {
  const call: OwnerCall = {
    given: readArguments([], OWNER_FLAGS),
    env: { EXPORT_URL: 'http://127.0.0.1:9' },
    config: parseConfig([], {}),
    parts: { loadRootKeys: () => Promise.reject(new Error(reason)), now: () => 0 },
  };
  return ownerClient({ method: 'GET', path: '/owner/rules' }, call).rules();
}

it('why no token can be made is a sentence of its own, whoever wrote it', async () => {
  await assert.rejects(callWithout('statement has been finalized'), /finalized\. Or give an owner's token/);
  await assert.rejects(callWithout('Start it once.'), /Start it once\. Or give an owner's token/);
});
