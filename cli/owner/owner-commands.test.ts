/** The owner's commands over the owner's routes: for people on a terminal, for programs, and when something is wrong. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { main } from '../../src/main.ts';
import { capturedIo } from '../../test/support/captured-io.ts';
import { closedPort } from '../../test/support/destinations/nasty.ts';
import { tokenWith } from '../../test/support/http/http-fixture.ts';
import { OWNER_TOKEN, OwnerFixture } from '../../test/support/http/owner-fixture.ts';

const ID = '01939c6e-5b1f-7e2a-9d3c-4f5a6b7c8d9e';

/** Where nobody listens. */
async function nobodysPort(): Promise<number> {
  return Number(new URL(await closedPort()).port);
}

/** As a shell takes a line apart, as far as examples need it. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
}

interface Terminal {
  readonly columns?: number;
  readonly noColor?: boolean;
}

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command on a pipe, or on a terminal. */
async function run(
  fixture: OwnerFixture | { readonly http: { readonly port: number } },
  args: readonly string[],
  terminal: Terminal | null = null,
  token = OWNER_TOKEN,
): Promise<Ran> {
  const io = capturedIo();
  const stdout =
    terminal === null ? io.stdout : { ...io.stdout, isTTY: true, columns: terminal.columns ?? 120 };
  const env = {
    EXPORT_URL: `http://127.0.0.1:${fixture.http.port}`,
    EXPORT_TOKEN: token,
    ...(terminal?.noColor === false ? {} : { NO_COLOR: '1' }),
  };
  const code = await main(args, env, { ...io, stdout });
  return { code, ...io.captured };
}

async function ok(...given: Parameters<typeof run>): Promise<string> {
  const { code, stdout, stderr } = await run(...given);
  assert.equal(code, 0, stderr);
  return stdout;
}

describe('exports list', () => {
  it('on a terminal has columns that fit it, and says who is not proven', async () => {
    await using fixture = await OwnerFixture.start();
    const acceptedAt = Date.now() - 3 * 60_000;
    const named = await fixture.insert({ acceptedAt });
    const destination = `https://a.example/${'long/'.repeat(20)}`;
    const unnamed = await fixture.insert({ lane: { client: '', destination }, acceptedAt });
    await fixture.ask('POST', `/owner/exports/${named}/cancel`);
    for (const columns of [100, 160]) {
      const lines = (await ok(fixture, ['exports', 'list'], { columns })).split('\n');
      assert.match(lines[1] ?? '', /^The newest 2 exports$/);
      assert.match(lines[3] ?? '', /^ID +APP +DESTINATION +STATE +SIZE +ACCEPTED$/);
      assert.match(
        lines[4] ?? '',
        new RegExp(`^${unnamed}  192\\.0\\.2\\.\\S.*…  pending +8 bytes  3 minutes ago$`),
      );
      assert.match(lines[5] ?? '', new RegExp(`^${named}  steps +https://.* cancelled +8 bytes`));
      for (const line of lines) assert.ok(line.length <= columns, line);
    }
    const wide = await ok(fixture, ['exports', 'list'], { columns: 300 });
    assert.match(wide, /192\.0\.2\.7, not proven/);
    assert.ok(wide.includes(destination));
  });

  it('is coloured on a terminal only, and not where NO_COLOR is set', async () => {
    await using fixture = await OwnerFixture.start();
    const id = await fixture.insert();
    await fixture.ask('POST', `/owner/exports/${id}/cancel`);
    assert.ok((await ok(fixture, ['exports', 'list'], { noColor: false })).includes('\u001b[33mcancelled'));
    assert.ok(!(await ok(fixture, ['exports', 'list'], {})).includes('\u001b'));
    assert.ok(!(await ok(fixture, ['exports', 'list'])).includes('\u001b'));
  });

  it('on a pipe is a line for each export, its values whole', async () => {
    await using fixture = await OwnerFixture.start();
    const id = await fixture.insert();
    const fields = [
      id,
      'steps',
      '192.0.2.7, not proven',
      'https://a.example/in',
      'pending',
      '8',
      '2026-01-01T00:00:00.000Z',
    ];
    assert.equal(await ok(fixture, ['exports', 'list']), `${fields.join('\t')}\n`);
  });

  it('asks for what it is told to, over as many pages as that takes', async () => {
    await using fixture = await OwnerFixture.start();
    const ids: string[] = [];
    for (let n = 0; n < 4; n += 1) ids.unshift(await fixture.insert());
    const other = await fixture.insert({ lane: { client: '', destination: 'https://b.example/in' } });
    const listed = async (...args: string[]) =>
      JSON.parse(await ok(fixture, ['exports', 'list', '--json', ...args]));
    const first = await listed('--limit', '2', '--app', 'steps');
    assert.deepEqual(
      first.items.map(({ id }: { id: string }) => id),
      ids.slice(0, 2),
    );
    const rest = await listed(
      '--before',
      first.next,
      '--state',
      'pending',
      '--destination',
      'https://a.example',
    );
    assert.deepEqual(
      rest.items.map(({ id }: { id: string }) => id),
      ids.slice(2),
    );
    assert.equal(rest.next, null);
    assert.equal((await listed('--app', '')).items[0].id, other);
    assert.match(await ok(fixture, ['exports', 'list', '-L', '2'], {}), /newest 2 exports; there are more/);
    assert.match(await ok(fixture, ['exports', 'list', '--app', 'nobody'], {}), /no exports like that/);
    assert.equal(await ok(fixture, ['exports', 'list', '--app', 'nobody']), '');
  });

  it('what it is told lets no text steer the terminal', async () => {
    await using fixture = await OwnerFixture.start();
    const client = 'a\u001b[2Jb\tc\nd';
    const id = await fixture.insert({ lane: { client, destination: 'https://a.example/' } });
    for (const args of [
      ['exports', 'list'],
      ['exports', 'show', id],
    ]) {
      for (const terminal of [null, {}]) {
        const text = await ok(fixture, args, terminal);
        assert.ok(!text.includes('\u001b'));
        assert.ok(text.includes('a [2Jb c d'));
      }
    }
  });
});

describe('exports show, cancel', () => {
  it('shows everything but the data', async () => {
    await using fixture = await OwnerFixture.start();
    const id = await fixture.insert({ lane: { client: '', destination: 'https://a.example/in' } });
    const text = await ok(fixture, ['exports', 'show', id], {});
    for (const line of [
      /^App +not named by its token$/m,
      /^Submitter +192\.0\.2\.7, not proven$/m,
      /^Destination +https:\/\/a\.example\/in$/m,
      /^State +pending$/m,
      /^Size +8 bytes$/m,
      /^No attempt was made yet\.$/m,
    ])
      assert.match(text, line);
    assert.ok(!text.includes('secret'));
    const json = JSON.parse(await ok(fixture, ['exports', 'show', id, '--json']));
    assert.deepEqual(json, (await fixture.ask('GET', `/owner/exports/${id}`)).json);
  });

  it('shows attempts in columns', async () => {
    await using fixture = await OwnerFixture.start();
    const id = await fixture.insert();
    const lane = { client: 'steps', destination: 'https://a.example/in' };
    const now = { wall: 0, steady: 0 };
    await fixture.store.claim(lane, { count: 1, now, leaseExpiresAt: 1 });
    await fixture.store.recover(now, { retryMs: 0, ageMs: 1e15, keyMs: 0 });
    const text = await ok(fixture, ['exports', 'show', id], {});
    assert.match(text, /^ATTEMPT +STARTED +TOOK +ADDRESS +STATUS +ERROR$/m);
    assert.match(text, /^ +1 {2}1970-01-01T.* - +- +answer_unknown: The service stopped/m);
  });

  it('takes an export back once, and says what to do when there is none', async () => {
    await using fixture = await OwnerFixture.start();
    const id = await fixture.insert();
    assert.equal(await ok(fixture, ['exports', 'cancel', id]), `Export ${id} is cancelled.\n`);
    const again = await run(fixture, ['exports', 'cancel', id]);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /already_finished.*\n {2}export-service exports show/);
    const unknown = await run(fixture, ['exports', 'cancel', ID]);
    assert.match(unknown.stderr, /unknown_export.*\n {2}export-service exports list/);
  });

  it('of what is being sent it says that the attempt decides', async () => {
    await using fixture = await OwnerFixture.start();
    const id = await fixture.insert();
    const lane = { client: 'steps', destination: 'https://a.example/in' };
    await fixture.store.claim(lane, { count: 1, now: { wall: 0, steady: 0 }, leaseExpiresAt: 1 });
    assert.match(await ok(fixture, ['exports', 'cancel', id]), /is being sent just now/);
  });
});

describe('rules, hold and release', () => {
  it('makes rules of every kind, lists and removes them', async () => {
    await using fixture = await OwnerFixture.start();
    const add = (...args: string[]) => {
      fixture.clock.advance(1);
      return ok(fixture, ['rules', 'add', ...args]);
    };
    assert.match(
      await add('block', '--destination', 'https://a.example'),
      /^Nothing leaves: every app, to https:\/\/a\.example\. Rule \S+\.\n$/,
    );
    assert.match(
      await add('budget', '--limit', '10MiB', '--unit', 'bytes', '--per', 'hour', '--app', 'photos'),
      /^At most 10 MiB per hour: app photos, to every destination\./,
    );
    const json = JSON.parse(
      await add('budget', '--limit', '1', '--unit', 'exports', '--per', 'day', '--note', 'enough', '--json'),
    );
    assert.deepEqual([json.limit, json.unit, json.per, json.note], [1, 'exports', 'day', 'enough']);
    const listed = (await ok(fixture, ['rules', 'list'])).trimEnd().split('\n');
    assert.deepEqual(
      listed.map((line) => line.split('\t').slice(1, 6)),
      [
        ['block', '*', 'https://a.example', '', ''],
        ['budget', 'photos', '*', '10485760 bytes per hour', ''],
        ['budget', '*', '*', '1 exports per day', 'enough'],
      ],
    );
    const table = await ok(fixture, ['rules', 'list'], {});
    assert.match(table, /^ID +KIND +APP +DESTINATION +LIMIT +NOTE +MADE$/m);
    assert.match(table, /every app +every destination +1 export per day +enough/);
    assert.equal(await ok(fixture, ['rules', 'remove', json.id]), `Rule ${json.id} is gone.\n`);
    const again = await run(fixture, ['rules', 'remove', json.id]);
    assert.match(again.stderr, /not_found.*\n {2}export-service rules list/);
    assert.equal(JSON.parse(await ok(fixture, ['rules', 'list', '--json'])).items.length, 2);
  });

  it('holds, says how to let go, and lets go of the very same', async () => {
    await using fixture = await OwnerFixture.start();
    const rules = async () => (await ok(fixture, ['rules', 'list'])).split('\n').length - 1;
    const held = await ok(fixture, ['hold', '--app', 'steps']);
    assert.equal(
      held,
      'Nothing leaves for now: app steps, to every destination. To let it leave: export-service release --app "steps"\n',
    );
    await ok(fixture, ['hold', '--app', 'steps', '--note', 'twice']);
    await ok(fixture, ['hold']);
    await ok(fixture, ['hold', '--destination', 'https://a.example']);
    await ok(fixture, ['rules', 'add', 'block', '--app', 'steps']);
    const none = await run(fixture, ['release', '--app', 'other']);
    assert.equal(none.code, 1);
    assert.match(none.stderr, /There are:\n[\s\S]*app steps, to every destination\n[\s\S]*release --all/);
    assert.equal(await rules(), 5);
    assert.match(await ok(fixture, ['release', '--app', 'steps']), /^(Released: app steps, .*\n){2}$/);
    assert.match(await ok(fixture, ['release']), /^Released: every app, to every destination\.\n$/);
    const { items } = JSON.parse(await ok(fixture, ['rules', 'list', '--json']));
    assert.deepEqual(items.map(({ kind }: { kind: string }) => kind).toSorted(), ['block', 'hold']);
    const hold = items.find(({ kind }: { kind: string }) => kind === 'hold');
    await ok(fixture, ['release', hold.id]);
    await ok(fixture, ['hold']);
    assert.equal(JSON.parse(await ok(fixture, ['release', '--all', '--json'])).removed.length, 1);
    assert.match((await run(fixture, ['release', '--all'])).stderr, /Nothing is held/);
    assert.equal(await rules(), 1);
  });

  it('on a terminal no rules are said to be none', async () => {
    await using fixture = await OwnerFixture.start();
    assert.match(await ok(fixture, ['rules', 'list'], {}), /There are no rules/);
    assert.equal(await ok(fixture, ['rules', 'list']), '');
  });
});

it('owner-link prints a link that signs in once', async () => {
  await using fixture = await OwnerFixture.start();
  const link = (await ok(fixture, ['owner-link'])).trim();
  const url = new URL(link);
  assert.equal(`${url.origin}${url.pathname}`, `http://127.0.0.1:${fixture.http.port}/ui/`);
  const code = url.hash.replace('#code=', '');
  const open = () => fixture.ask('POST', '/ui/session', { code }, { token: null });
  assert.deepEqual([(await open()).status, (await open()).status], [200, 401]);
  const json = JSON.parse(await ok(fixture, ['owner-link', '--json']));
  assert.ok(json.url.endsWith(`/ui/#code=${json.code}`));
  assert.equal(json.expires_at, '2026-01-01T00:10:00.000Z');
});

describe('what is wrong', () => {
  const wrong: [args: string, message: RegExp][] = [
    ['exports', /exports goes with list, show, cancel or redeliver; exports --help/],
    ['exports lst', /not "lst"/],
    ['exports show', /exports show needs ID; for example: export-service exports show/],
    ['exports show a b', /unexpected argument "b"/],
    ['exports list --limit 0', /--limit is a whole number from 1/],
    ['exports list --limit x', /--limit/],
    ['exports list --state done', /--state is pending, processing or finished, not "done"/],
    ['exports list --colour', /unknown flag --colour/],
    ['rules add', /rules add needs block\|hold\|budget/],
    ['rules add ban', /block, hold or budget, not "ban"/],
    ['rules add block --limit 1', /--limit goes with a budget, and this is a block/],
    ['rules add budget', /a budget needs --unit: exports or bytes/],
    ['rules add budget --unit kilo --per day --limit 1', /--unit is exports or bytes, not "kilo"/],
    ['rules add budget --unit bytes --per week --limit 1', /--per is hour or day/],
    ['rules add budget --unit bytes --per day', /a budget needs --limit/],
    ['rules add budget --unit exports --per day --limit 10MiB', /--limit is a whole number, not "10MiB"/],
    ['rules add budget --unit bytes --per day --limit ten', /--limit is a size such as 10MiB/],
    ['release x --all', /release takes an ID, or --all/],
    ['hold everything', /unexpected argument/],
    ['owner-link x', /unexpected argument/],
  ];
  for (const [args, message] of wrong) {
    it(`export-service ${args}: wrong usage, and nothing is asked for`, async () => {
      const { code, stdout, stderr } = await run({ http: { port: 1 } }, args.split(' '));
      assert.deepEqual([code, stdout], [2, ''], stderr);
      assert.match(stderr, message);
    });
  }

  it('a token that is no owner’s, and a service that is not there, come with the next step', async () => {
    await using fixture = await OwnerFixture.start();
    const refused = await run(fixture, ['exports', 'list'], null, tokenWith());
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /caveat_refused, HTTP 401\)\n {2}An owner's token: export-service token mint/,
    );
    const nobody = await run({ http: { port: await nobodysPort() } }, ['rules', 'add', 'block']);
    assert.equal(nobody.code, 1);
    assert.match(nobody.stderr, /No answer from .*\n {2}Is the service running there\?/);
  });

  it('docs/owner.md shows commands that are understood, and routes that are there', async () => {
    const page = readFileSync(new URL('../../docs/owner.md', import.meta.url), 'utf8');
    const lines = [...page.matchAll(/^npx export-service (.*)$/gm)].map(([, line = '']) => line);
    assert.ok(lines.length > 15);
    const port = await nobodysPort();
    for (const line of lines.map((each) => each.replace(/ +#.*$/, '').replace(/ > .*$/, ''))) {
      if (line.startsWith('token mint')) continue;
      const { code, stderr } = await run({ http: { port } }, wordsOf(line));
      assert.equal(code, 1, `${line}: ${stderr}`);
      assert.match(stderr, /No answer from/, line);
    }
    await using fixture = await OwnerFixture.start();
    const curls = [
      ...page.matchAll(/^curl -H \S+ \S+ \S+ (?:-d '(.*?)' )?'?http:\/\/127\.0\.0\.1:8080(\S+?)'?$/gm),
    ];
    assert.equal(curls.length, 3);
    for (const [, body, path = ''] of curls) {
      const method = body === undefined ? 'GET' : 'POST';
      assert.equal((await fixture.ask(method, path, body)).status, 200, path);
    }
  });

  it('every command says how it is used, with examples that it understands', async () => {
    const words = ['exports', 'exports list', 'exports show', 'exports cancel', 'exports redeliver', 'rules'];
    for (const name of [
      ...words,
      'rules list',
      'rules add',
      'rules remove',
      'hold',
      'release',
      'owner-link',
    ]) {
      const help = await ok({ http: { port: 1 } }, [...name.split(' '), '--help']);
      assert.match(help, new RegExp(`^Usage: export-service ${name}`));
      const examples = [...help.matchAll(/^ {2}export-service (.*)$/gm)].map(([, line = '']) => line);
      assert.ok(examples.length > 0, name);
      for (const example of examples) {
        const args = wordsOf(example);
        const { code, stderr } = await run({ http: { port: await nobodysPort() } }, args);
        assert.equal(code, 1, `${example}: ${stderr}`);
        assert.match(stderr, /No answer from/, example);
      }
    }
  });
});
