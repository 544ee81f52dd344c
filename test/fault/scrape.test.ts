import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { it } from 'node:test';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ServiceProcess, TEST_FLAGS } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';
import { HANG_WORDS, hangingAt } from './hanging-store.ts';
import { until } from './until.ts';

it('a scrape does not wait for a disk that hangs, and says for how long it has', async () => {
  using directory = new TemporaryDirectory();
  const fifo = directory.file('fifo');
  await using destination = await nasty.answers();
  await using service = await ServiceProcess.start([], TEST_FLAGS, hangingAt(fifo));
  const sample = async (name: string): Promise<number> => {
    const page = await (await fetch(`${service.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (.+)$`, 'm').exec(page)?.[1]);
  };
  const app = clientFor(service.url, destination.url, { repeat: { triesMax: 1 } });
  await app.submitAndWait({ destination: destination.url, json: '1' });
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0);
  const refused = app.submit({ destination: destination.url, json: '2' }).catch(() => 'refused');
  await service.logged(new RegExp(HANG_WORDS));

  await until('the page says that a commit hangs', async () => {
    return (await sample('export_commit_under_way_seconds')) > 0.5;
  });
  assert.equal(await sample('export_accepted_total'), 1);
  assert.equal(await sample('export_ended_total\\{outcome="delivered"\\}'), 1);
  await service.end('SIGKILL');
  assert.equal(await refused, 'refused');
});
