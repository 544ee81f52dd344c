/** What the owner decides and sees, over the real service, its real store, and its own commands. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Agent, request } from 'undici';
import { OwnerClient, type OwnerEvent } from '../../client/index.ts';
import { runMain } from '../support/captured-io.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { clientFor, ROOT_KEY, ServiceProcess, tokenFor } from '../support/service.ts';

function ownerOf(service: ServiceProcess): OwnerClient {
  return new OwnerClient({ url: service.url, token: tokenFor({ path: '/owner/*', method: '*' }) });
}

/** A command of the owner beside the service: it makes itself a token. */
async function command(service: ServiceProcess, ...args: string[]): Promise<string> {
  const where = ['--url', service.url, '--data-dir', service.dataDir, '--secret', ROOT_KEY];
  const { code, stdout, stderr } = await runMain([...args, ...where]);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('a budget of 100', () => {
  it('lets 100 of 1,000 exports through that race for it over HTTP', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    await command(service, 'rules', 'add', 'budget', '--limit', '100', '--unit', 'exports', '--per', 'day');
    const dispatcher = new Agent({ connections: 64 });
    const submit = async (n: number) => {
      const response = await request(`${service.url}/export`, {
        method: 'POST',
        dispatcher,
        headers: { 'x-api-key': tokenFor({ destination: destination.url }) },
        body: JSON.stringify({ uri: destination.url, data: n }),
      });
      const { code = 'accepted' } = (await response.body.json()) as { code?: string };
      return { code, retryAfter: Number(response.headers['retry-after']) };
    };
    const answers = await Promise.all(Array.from({ length: 1_000 }, (_, n) => submit(n)));
    await dispatcher.close();
    assert.equal(answers.filter(({ code }) => code === 'accepted').length, 100);
    const refused = answers.filter(({ code }) => code === 'budget_exhausted');
    assert.equal(refused.length, 900);
    for (const { retryAfter } of refused) assert.ok(retryAfter >= 1 && retryAfter <= 86_400);
    const owner = ownerOf(service);
    const items = await Array.fromAsync(owner.exports({ limit: 60 }));
    assert.equal(items.length, 100);
    const client = clientFor(service.url, destination.url);
    for (const { id } of items) assert.ok((await client.wait(id)).answer.ok);
    assert.equal(destination.received.length, 100);
    assert.equal((await owner.summary())[0]?.outcomes.delivered, 100);
  });
});

describe('a redelivery', () => {
  it('brings the very data once more, as an export of its own', async () => {
    await using service = await ServiceProcess.start(['--keep-payloads', '1h']);
    await using destination = await nasty.answers();
    const client = clientFor(service.url, destination.url);
    const json = '{"a": 1.10}';
    const { id } = await client.submitAndWait({ destination: destination.url, json });
    const again = JSON.parse(await command(service, 'exports', 'redeliver', id, '--json'));
    assert.equal(again.redelivery_of, id);
    await client.wait(again.id);
    assert.deepEqual(
      destination.received.map(({ body, headers }) => [headers['webhook-id'], body.toString()]),
      [
        [id, json],
        [again.id, json],
      ],
    );
    const shown = await command(service, 'exports', 'show', again.id);
    assert.match(shown, new RegExp(`Redelivery of +${id}`));
    assert.match(shown, /State +delivered/);
  });

  it('is refused when the data is gone, and says what keeps it', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    const client = clientFor(service.url, destination.url);
    const { id } = await client.submitAndWait({ destination: destination.url, data: 1 });
    await assert.rejects(ownerOf(service).redeliver(id), {
      code: 'payload_erased',
      status: 409,
      message: /--keep-payloads/,
    });
    assert.equal(destination.received.length, 1);
  });
});

describe('what the owner decides', () => {
  it('is on record, each of it, with the name of the token', async () => {
    await using service = await ServiceProcess.start(['--keep-payloads', '1h']);
    await using destination = await nasty.answers();
    const token = tokenFor({ path: '/owner/*', method: '*', client: 'anna' });
    const owner = new OwnerClient({ url: service.url, token });
    const client = clientFor(service.url, destination.url);
    const { id } = await client.submitAndWait({ destination: destination.url, data: 1 });
    await owner.redeliver(id);
    const hold = await owner.addRule({ kind: 'hold' });
    await owner.cancel((await client.submit({ destination: destination.url, data: 1 })).id);
    await owner.removeRule(hold.id);
    const decided: unknown[] = [];
    for await (const { entry } of owner.ledgerEntries()) {
      const fields = JSON.parse(entry ?? '{}');
      if (['rule', 'cancel', 'redelivery'].includes(fields.kind))
        decided.push([fields.kind, fields.change, fields.by]);
    }
    assert.deepEqual(decided, [
      ['redelivery', undefined, 'anna'],
      ['rule', 'added', 'anna'],
      ['cancel', undefined, 'anna'],
      ['rule', 'removed', 'anna'],
    ]);
  });
});

describe('what the owner sees', () => {
  it('has the address of a submitter that no token names, and the app where one does', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    const submit = (client: string) =>
      clientFor(service.url, destination.url, {
        token: tokenFor({ destination: destination.url, client }),
      }).submitAndWait({ destination: destination.url, data: 1 });
    const [unnamed, named] = [await submit(''), await submit('steps')];
    const owner = ownerOf(service);
    const seen = async (id: string) => {
      const { app, peer } = await owner.get(id);
      return [app, peer];
    };
    assert.deepEqual(await seen(unnamed.id), [null, '127.0.0.1']);
    assert.deepEqual(await seen(named.id), ['steps', '127.0.0.1']);
    const lines = (await command(service, 'exports', 'list')).split('\n');
    assert.match(
      lines[1] ?? '',
      new RegExp(`^${unnamed.id}\t\t127\\.0\\.0\\.1, not proven\t${destination.url}\tdelivered\t1\t`),
    );
  });

  it('is told as it happens, and to be read anew after a restart, whose sessions live on', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    const owner = ownerOf(service);
    const ending = new AbortController();
    const told: OwnerEvent[] = [];
    const seen = Promise.withResolvers<void>();
    const ruled = Promise.withResolvers<void>();
    const anew = Promise.withResolvers<void>();
    const following = (async () => {
      for await (const event of owner.events({ signal: ending.signal })) {
        told.push(event);
        if (event.type === 'export' && event.export.outcome === 'delivered') seen.resolve();
        if (event.type === 'rule') ruled.resolve();
        if (event.type === 'reset') anew.resolve();
      }
    })();
    const link = await owner.createLink();
    const opened = await request(`${service.url}/ui/session`, {
      method: 'POST',
      body: JSON.stringify({ code: link.code }),
    });
    const cookie = String(opened.headers['set-cookie']).split(';')[0] ?? '';
    const client = clientFor(service.url, destination.url);
    // Until the stream is there nothing tells; so there is something to tell until it does.
    const submitting = (async () => {
      while (!told.some(({ type }) => type === 'export'))
        await client.submitAndWait({ destination: destination.url, data: 'a secret' });
    })();
    await Promise.all([seen.promise, submitting]);
    assert.doesNotMatch(JSON.stringify(told), /a secret/);
    await owner.addRule({ kind: 'hold', app: 'nobody' });
    await ruled.promise;
    await service.end('SIGTERM');
    await service.start();
    await anew.promise;
    const rules = await request(`${service.url}/owner/rules`, { headers: { cookie } });
    assert.equal(rules.statusCode, 200);
    ending.abort();
    await assert.rejects(following, { name: 'AbortError' });
  });
});

describe('a hold', () => {
  it('keeps what comes, over a restart too, until it is released', async () => {
    await using service = await ServiceProcess.start();
    await using destination = await nasty.answers();
    await command(service, 'hold', '--destination', new URL(destination.url).origin);
    const client = clientFor(service.url, destination.url);
    const { id } = await client.submit({ destination: destination.url, data: 1 });
    await service.end('SIGKILL');
    await service.start();
    assert.match(await command(service, 'exports', 'list'), new RegExp(`^${id}\t.*\theld\t`));
    assert.equal(destination.connections, 0);
    await command(service, 'release', '--destination', new URL(destination.url).origin);
    assert.ok((await client.wait(id)).answer.ok);
  });
});
