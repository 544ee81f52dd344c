/**
 * A process of its own: the whole service, whose names come from a name server that never answers. It is stopped as soon
 * as that has been asked, and ends by itself if nothing keeps it. Time stands still, so no deadline ends anything.
 *
 * `stop-among-silent-names.ts DATA_DIR arbiter SECRETS_DIR`: the name of the arbiter is silent.
 * `stop-among-silent-names.ts DATA_DIR destination`: that of a destination.
 */
import { setImmediate } from 'node:timers/promises';
import { createApp } from '../../../src/app.ts';
import { parseConfig } from '../../../src/config.ts';
import { createLog } from '../../../src/telemetry/log.ts';
import { ManualClock } from '../manual-clock.ts';
import { clientFor, ROOT_KEY } from '../service.ts';
import { NameServer } from './name-server.ts';

const NAME = 'silent.test';
const DESTINATION = `https://${NAME}/in`;

const [, , dataDir = '', whose, secretsDir = ''] = process.argv;
const flags =
  whose === 'arbiter'
    ? ['--arbiter', `tcp://${NAME}:4444`, '--secrets-dir', secretsDir, '--tls', 'off']
    : ['--secret', ROOT_KEY];

const clock = new ManualClock();
const server = await NameServer.start({ [NAME]: 'silent' });
const config = parseConfig(['--port', '0', '--data-dir', dataDir, '--drain-max', '0s', ...flags], {});
const app = await createApp(config, createLog('info', process.stderr), {
  clock,
  nameSources: server.sources,
});
clock.advance(0);
if (whose === 'destination')
  await clientFor(app.url, DESTINATION).submit({ destination: DESTINATION, data: {} });
await server.asked(NAME);

let isStopped = false;
const stopping = app[Symbol.asyncDispose]().then(() => {
  isStopped = true;
});
while (!isStopped) {
  clock.advance(0);
  await setImmediate();
}
await stopping;
await server[Symbol.asyncDispose]();
process.stdout.write('stopped\n');
