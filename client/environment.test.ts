import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { TemporaryDirectory } from '../test/support/temporary-store.ts';
import { readEnvironment } from './environment.ts';
import { ExportClient, ExportClientError } from './index.ts';
import { startFakeService } from './support/fake-service.ts';

const token = { EXPORT_TOKEN: 'token' };

test('the address is the one that is set, the one of the box, or this machine', () => {
  const box = { DATABOX_ARBITER_ENDPOINT: 'tcp://arbiter:4444' };
  const old = { DATABOX_EXPORT_SERVICE_ENDPOINT: 'https://old:8080' };
  for (const [environment, url] of [
    [{}, 'http://127.0.0.1:8080'],
    [{ DATABOX_LOCAL_NAME: 'my-app' }, 'https://export-service:8080'],
    [box, 'https://export-service:8080'],
    [{ ...box, ...old }, 'https://old:8080'],
    [{ ...box, ...old, EXPORT_URL: 'http://x.example' }, 'http://x.example'],
    [{ EXPORT_URL: '', DATABOX_LOCAL_NAME: '' }, 'http://127.0.0.1:8080'],
  ] as const) {
    assert.equal(readEnvironment({ ...token, ...environment }).url, url);
  }
});

test('an environment without a token is a mistake that says what to set', () => {
  for (const environment of [{}, { EXPORT_TOKEN: '', EXPORT_TOKEN_FILE: '' }]) {
    assert.throws(() => readEnvironment(environment), /TypeError: .*EXPORT_TOKEN.*EXPORT_TOKEN_FILE/);
  }
});

test('a token file is read when the token is needed, and again when it is refused', async () => {
  using directory = new TemporaryDirectory();
  const file = `${directory.path}/token`;
  await writeFile(file, 'old\n');
  await using service = await startFakeService(({ headers }) =>
    headers['x-api-key'] === 'new'
      ? { json: { id: 'id', state: 'Pending', ext_response: {} } }
      : { status: 401, json: { code: 'invalid_token', detail: 'It ran out.' } },
  );
  const client = ExportClient.fromEnvironment({}, { EXPORT_URL: service.url, EXPORT_TOKEN_FILE: file });
  await assert.rejects(client.get('id'), (error) => error instanceof ExportClientError);
  await writeFile(file, 'new\n');
  assert.equal((await client.get('id')).state, 'Pending');
});

test('what is given is not looked for in the environment', async () => {
  await using service = await startFakeService([{ json: { id: 'id', state: 'Pending', ext_response: {} } }]);
  const client = ExportClient.fromEnvironment({ token: 'given' }, { EXPORT_URL: service.url });
  await client.get('id');
  assert.equal(service.seen[0]?.headers['x-api-key'], 'given');
  ExportClient.fromEnvironment({ token: 'given', url: service.url }, {});
});
