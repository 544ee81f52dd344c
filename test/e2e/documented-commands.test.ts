/**
 * Every block of commands and of JavaScript in the pages: run as it stands there, or named in `ELSEWHERE` with what holds
 * it instead. Ports, ids and folders are put in; `npx export-service` is the command of this tree.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, globSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ExportClient } from '../../client/index.ts';
import { TestArbiter } from '../support/arbiter/test-arbiter.ts';
import { BoxSecrets } from '../support/box-secrets.ts';
import type { TestDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { firstLineOf } from '../support/first-line.ts';
import { freePort } from '../support/free-port.ts';
import { LAUNCHER } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGES = globSync(
  [
    'README.md',
    'CONTRIBUTING.md',
    'docs/*.md',
    'client*/README.md',
    'packaging/README.md',
    'bench/README.md',
  ],
  { cwd: ROOT },
);
const OPEN = '--allow-http --allow-network 127.0.0.0/8';

/** What is not run here, by the line it begins with, and what holds it. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'npm ci && npm run demo': 'what a fresh clone is tried with; test/e2e/owner-page-demo.test.ts',
  'npm ci && npm test': 'this',
  'npm ci && npm run package:deb':
    'test/packaging makes the package and looks into it; to install it takes root',
  'docker exec': 'no Docker engine; test/image does both inside what the image holds',
  'docker build': 'no Docker engine; test/image carries out the steps of the Dockerfile',
  'docker service update': 'no Docker engine',
  'npm run test:fault': 'test/fault/matrix.test.ts, in short',
  'npm run test:soak': 'half an hour; test/soak/verdict.test.ts holds what it judges by',
  'npm run fuzz': 'test/fuzz/fuzz.test.ts, in short',
  'node bench/': 'a benchmark, of minutes',
  'nice -n 10': 'a benchmark, of minutes',
  'npm install databox-export-client': 'test/e2e/client-package.test.ts, from the packed file',
  'tls.setDefaultCACertificates': 'a line for an app of somebody else',
  'Mounts: ': 'two fields for a program of somebody else',
  'import { arbiterToken }': 'test/e2e/client-arbiter-package.test.ts, with secrets outside of /run',
  "import { createServer } from 'node:http'": 'test/e2e/receivers-page.test.ts',
  'npx export-service serve --data-dir ./data --allow-http': 'test/e2e/pages.test.ts, and README.md here',
  'node samples/receiver.mjs\n': 'test/e2e/pages.test.ts',
  'export DESTINATION=': 'test/e2e/pages.test.ts',
  '// Checks a receipt':
    'a Go program whose package no machine has by itself; @sigstore and vectors check the same bytes',
};

interface Block {
  readonly page: string;
  readonly language: string;
  readonly text: string;
}

const BLOCKS: readonly Block[] = PAGES.flatMap((page) =>
  [
    ...readFileSync(join(ROOT, page), 'utf8').matchAll(/^ *```(sh|js|ts|go|sql|python)\n([\s\S]*?)^ *```/gm),
  ].map(([, language = '', text = '']) => ({ page, language, text })),
);
const ran = new Set<Block>();

/** The block of a page that begins like this. */
function block(page: string, beginning: string): string {
  const found = BLOCKS.filter((each) => each.page === page && each.text.trimStart().startsWith(beginning));
  assert.equal(found.length, 1, `${page}: ${beginning}`);
  const [only] = found as [Block];
  ran.add(only);
  return only.text;
}

/** A terminal in a folder that looks like a checkout in which the README's set-up has been done. */
class Terminal implements AsyncDisposable {
  readonly folder = new TemporaryDirectory();
  readonly #env: NodeJS.ProcessEnv;
  readonly #started: ChildProcess[] = [];

  constructor(env: Readonly<Record<string, string>> = {}) {
    const tools = this.folder.file('tools');
    mkdirSync(tools);
    const tool = (name: string, shift: string): void =>
      writeFileSync(
        join(tools, name),
        `#!/bin/sh\n${shift}\nexec "${process.execPath}" "${LAUNCHER}" "$@"\n`,
        {
          mode: 0o755,
        },
      );
    tool('npx', 'shift');
    tool('export-service', '');
    for (const name of ['samples', 'docs']) symlinkSync(join(ROOT, name), this.folder.file(name));
    const path = [tools, dirname(process.execPath), process.env.PATH].join(delimiter);
    this.#env = { ...process.env, PATH: path, ...env };
  }

  /** @returns what the commands printed. @throws when one of them fails */
  async run(commands: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const options = { cwd: this.folder.path, env: { ...this.#env, ...env } };
    return (await run('sh', ['-e', '-c', commands], options)).stdout;
  }

  /** Starts what goes on, until the terminal is closed. @returns its first line, once it is there */
  async start(command: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
    const child = spawn('sh', ['-c', `exec ${command.trim()}`], {
      cwd: this.folder.path,
      env: { ...this.#env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#started.push(child);
    return firstLineOf(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const child of this.#started.reverse()) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    this.folder[Symbol.dispose]();
  }
}

/** Where `npm install databox-export-client` would put it. */
async function installClient(folder: string): Promise<void> {
  const place = join(folder, 'node_modules', 'databox-export-client');
  await run(process.execPath, [join(ROOT, 'scripts', 'build.ts'), '--client', place]);
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
}

const urlIn = (line: string): string => /https?:\S+/.exec(line)?.[0] ?? '';

describe('README.md', () => {
  it('its service runs, makes a root key, and tokens come from it', async () => {
    await using terminal = new Terminal({ DATABOX_LOCAL_PORT: '0' });
    assert.match(
      await terminal.start(block('README.md', 'npx export-service serve --data-dir ./data\n')),
      /http:/,
    );
    assert.match(await terminal.run(block('README.md', 'npx export-service token mint')), /^[\w=-]{100,}\n$/);
  });

  it('its way to use it leads from the command line over curl to an app of one’s own', async (t) => {
    const ports = [await freePort(), await freePort()] as const;
    await using terminal = new Terminal({ DATABOX_LOCAL_PORT: String(ports[0]), PORT: String(ports[1]) });
    const placed = (text: string): string =>
      text
        .replaceAll('127.0.0.1:8080', `127.0.0.1:${ports[0]}`)
        .replaceAll('127.0.0.1:9000', `127.0.0.1:${ports[1]}`);
    const client = terminal.folder.file('dist-client');
    await run(process.execPath, [join(ROOT, 'scripts', 'build.ts'), '--client', client]);
    await terminal.start(block('README.md', 'npx export-service serve --data-dir ./data --allow-http'));
    await terminal.start('node samples/receiver.mjs');
    const [receiver = '', ...sends] = placed(block('README.md', 'node samples/receiver.mjs &')).split(
      /(?<=&\n)/,
    );
    assert.equal(receiver, 'node samples/receiver.mjs &\n');
    const curl = block('README.md', 'sh docs/examples/export.sh');
    const app = block('README.md', 'npm init -y').replace('/path/to/this/folder/dist-client', client);
    const hasCurl = await terminal.run('curl --version').then(
      () => true,
      () => false,
    );
    if (!hasCurl) t.diagnostic('no curl here');
    const printed = await terminal.run(
      [sends.join(''), hasCurl ? curl : '', 'mkdir own && cd own', app].join('\n'),
      { npm_config_offline: 'true', npm_config_audit: 'false', npm_config_fund: 'false' },
    );
    assert.match(printed, /200 thanks\n$/);
  });
});

describe('docs/arbiter.md', () => {
  it('its commands start the service in a box, and renew its key', async () => {
    await using arbiter = await TestArbiter.start();
    await using terminal = new Terminal({ DATABOX_LOCAL_PORT: '0' });
    const secrets = new BoxSecrets(terminal.folder.file('secrets'));
    secrets.writeAll(arbiter);
    const placed = (text: string): string =>
      text.replaceAll('tcp://arbiter:4444', arbiter.endpoint).replaceAll('/run/secrets', secrets.path);
    const env = { EXPORT_DATA_DIR: terminal.folder.file('data') };
    const first = await terminal.start(
      placed(block('docs/arbiter.md', 'npx export-service serve --arbiter')),
      env,
    );
    const url = urlIn(first);
    assert.match(url, /^https:/);
    const beside = { ...env, EXPORT_URL: url, NODE_EXTRA_CA_CERTS: join(secrets.path, 'DATABOX_ROOT_CA') };
    const renewed = await terminal.run(
      block('docs/arbiter.md', 'npx export-service root-key refresh'),
      beside,
    );
    assert.match(renewed, /\n.*\n/s);
    const inBox = placed(block('docs/arbiter.md', 'NODE_EXTRA_CA_CERTS=')).replace(
      'https://127.0.0.1:8080',
      url,
    );
    assert.match(await terminal.run(inBox, env), /key/);
  });
});

describe('the owner’s pages, beside a running service', () => {
  const HELD_ID = '01939c6e-5b1f-7e2a-9d3c-4f5a6b7c8d9e';
  let terminal: Terminal;
  let destination: TestDestination;
  let url: string;
  let client: ExportClient;
  let delivered: string;

  before(async () => {
    destination = await nasty.answers();
    terminal = new Terminal({ EXPORT_DATA_DIR: './data', DATABOX_LOCAL_PORT: '0' });
    await installClient(terminal.folder.path);
    url = urlIn(await terminal.start(`npx export-service serve ${OPEN} --keep-payloads 1h --attempts-max 1`));
    const mint = `npx export-service token mint --destination ${destination.url} --path '*' --id steps`;
    client = new ExportClient({ url, token: (await terminal.run(mint)).trim() });
    const { id } = await client.submitAndWait({ destination: destination.url, data: { steps: 9001 } });
    delivered = id;
  });

  after(async () => {
    await terminal[Symbol.asyncDispose]();
    await destination.close();
  });

  const here = (commands: string, id = HELD_ID): Promise<string> =>
    terminal.run(commands.replaceAll(HELD_ID, id).replaceAll('http://127.0.0.1:8080', url), {
      EXPORT_URL: url,
    });

  it('docs/owner.md: exports are listed and shown', async () => {
    const printed = await here(block('docs/owner.md', 'npx export-service exports list'), delivered);
    assert.equal(printed.split(delivered).length - 1, 3, printed);
  });

  it('docs/owner.md: rules are made, listed and removed', async () => {
    const made = await here('npx export-service rules add block --app nobody --json');
    const { id } = JSON.parse(made) as { id: string };
    const printed = await here(block('docs/owner.md', 'npx export-service hold '), id);
    for (const told of ['lab.example', '100 exports per day', 'photos'])
      assert.ok(printed.includes(told), printed);
    const left = await here('npx export-service rules list --json');
    assert.ok(!left.includes(id) && /"limit": 100\b/.test(left), left);
  });

  it('docs/owner.md: an export is taken back, another delivered once more', async () => {
    await here('npx export-service hold');
    const waiting = await client.submit({ destination: destination.url, data: 1 });
    const [cancel = '', redeliver = ''] = block('docs/owner.md', 'npx export-service exports cancel').split(
      /(?<=\n)/,
    );
    await here(cancel, waiting.id);
    assert.equal((await client.wait(waiting.id)).answer.error?.code, 'cancelled');
    await here('npx export-service release');
    await here(redeliver, delivered);
    await destination.arrived(2);
  });

  it('docs/owner.md and docs/owner-page.md: a link to the page is printed', async () => {
    const link = new RegExp(`${url}/ui/#`);
    assert.match(await here(block('docs/owner.md', 'npx export-service owner-link')), link);
    const [ownerLink = '', demo = ''] = block('docs/owner-page.md', 'npx export-service owner-link').split(
      /(?<=\n)/,
    );
    assert.match(await here(ownerLink), link);
    // test/e2e/owner-page-demo.test.ts
    assert.match(demo, /^npx export-service demo --keep /);
  });

  it('docs/owner.md: the API is asked with a token of the owner', async (t) => {
    const commands = block('docs/owner.md', "npx export-service token mint --path '/owner/*'")
      .trim()
      .split('\n');
    const hasCurl = await here('curl --version').then(
      () => true,
      () => false,
    );
    if (!hasCurl) return t.skip('no curl here');
    const follow = commands.pop() ?? '';
    const printed = await here(commands.join('\n'));
    for (const told of ['"next":', '"kind":"hold"', '"outcomes":'])
      assert.ok(printed.includes(told), printed);
    await here('npx export-service release --app steps');
    assert.match(
      await terminal.start(follow.replaceAll('http://127.0.0.1:8080', url)),
      /^(?::|retry|id|event)/,
    );
  });

  it('docs/owner.md: a program of the owner holds a destination that fails', async () => {
    const gone = await nasty.closedPort();
    const token = await here("npx export-service token mint --path '/owner/*' --method '*'");
    const source = block('docs/owner.md', 'import { OwnerClient }').replace('http://127.0.0.1:8080', url);
    writeFileSync(terminal.folder.file('owner.mjs'), source);
    // Its first line tells of an export that waits; from then on it follows the events.
    await here('npx export-service hold --app waiting');
    const appToken = async (app: string): Promise<string> =>
      (await here(`npx export-service token mint --destination ${gone} --path '*' --id ${app}`)).trim();
    await new ExportClient({ url, token: await appToken('waiting') }).submit({ destination: gone, data: 1 });
    const first = await terminal.start('node owner.mjs', { EXPORT_TOKEN: token.trim() });
    assert.ok(first.includes(gone), first);
    const failing = new ExportClient({ url, token: await appToken('failing') });
    let rules = '';
    while (!rules.includes('it fails')) {
      await failing.submitAndWait({ destination: gone, data: 1 });
      rules = await here('npx export-service rules list --json');
    }
    assert.ok(rules.includes(gone), rules);
  });

  it('docs/receivers.md: the public key is shown', async () => {
    assert.match(await here(block('docs/receivers.md', 'npx export-service key show')), /^whpk_[\w+/=]+\n/);
  });

  it('docs/websocket.md: a token for a socket is made', async () => {
    assert.match(await here(block('docs/websocket.md', 'npx export-service token mint')), /^[\w=-]{100,}\n$/);
  });

  it('docs/apps.md: the app exports', async () => {
    writeFileSync(terminal.folder.file('app.mjs'), block('docs/apps.md', 'import { ExportClient }'));
    const mint = `npx export-service token mint --destination ${destination.url} --path '*' --id steps`;
    const env = {
      EXPORT_URL: url,
      EXPORT_TOKEN: (await terminal.run(mint)).trim(),
      DESTINATION: destination.url,
    };
    assert.match(await terminal.run('node app.mjs', env), /^200 /);
  });

  it('client/README.md: its first program, a stream, the owner’s events and the check of a delivery', async () => {
    // client/export-client.test.ts runs the first one.
    block('client/README.md', 'import { ExportClient }');
    const index = "import { ExportClient } from 'databox-export-client';";
    const stream = block('client/README.md', 'async function* readings()');
    const events = block('client/README.md', 'import { OwnerClient }');
    const verify = block('client/README.md', 'import { WebhookVerifier }');
    const mint = `npx export-service token mint --destination ${destination.url} --path '*' --id steps`;
    const env = {
      EXPORT_URL: url,
      EXPORT_TOKEN: (await terminal.run(mint)).trim(),
      DESTINATION: destination.url,
      OWNER_TOKEN: (await here("npx export-service token mint --path '/owner/*' --method '*'")).trim(),
    };
    const arrived = destination.received.length;
    const program = (lines: readonly string[]): string => {
      writeFileSync(terminal.folder.file('program.mjs'), lines.join('\n'));
      return 'node program.mjs';
    };
    const sensor = `${index}\nconst client = ExportClient.fromEnvironment();
      const destination = process.env.DESTINATION;\nconst sensor = ['1', '2', '3'];`;
    await terminal.run(program([sensor, stream]), env);
    await destination.arrived(arrived + 3);
    const key = (await here('npx export-service key show')).trim();
    const { headers, body } = destination.received.at(-1) ?? assert.fail();
    const request = `const request = { headers: ${JSON.stringify(headers)} };
      const bodyBytes = Buffer.from('${body.toString('base64')}', 'base64');`;
    const verified = await terminal.run(
      program([request, verify.replace('whpk_…', key), 'console.log(id, sentAt);']),
    );
    assert.match(verified, new RegExp(`^${headers['webhook-id']} `));
    const follow = events
      .replace('http://127.0.0.1:8080', url)
      .replace('ownerToken', 'process.env.OWNER_TOKEN');
    const following = terminal.start(program([follow]), env);
    let first: string | null = null;
    following.then((line) => {
      first = line;
    });
    while (first === null) await client.submitAndWait({ destination: destination.url, data: 1 });
    assert.match(first, /^export \S+/);
  });

  it('docs/operating.md and docs/ledger.md: a copy is made, the store and its ledger are checked', async () => {
    const safe = terminal.folder.file('safe');
    mkdirSync(safe);
    await here(block('docs/operating.md', 'npx export-service store backup').replace('/safe/place', safe));
    assert.match(
      await here(block('docs/operating.md', 'npx export-service store check')),
      /sound|nothing wrong|in order/i,
    );
    copyFileSync(terminal.folder.file('data/ledger.head'), join(safe, 'ledger.head'));
    const verify = block('docs/ledger.md', 'npx export-service ledger verify').replace('/mnt/usb', safe);
    assert.match(await here(verify), / \d+ entries hold, /);
  });

  it('docs/ledger.md: the tables are those of the store', () => {
    using page = new DatabaseSync(':memory:');
    page.exec(block('docs/ledger.md', '-- Every log of this store'));
    using store = new DatabaseSync(terminal.folder.file('data/exports.db'), { readOnly: true });
    const tables = page.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
    assert.equal(tables.length, 5);
    for (const { name } of tables) {
      const columns = (database: DatabaseSync) =>
        database.prepare('SELECT * FROM pragma_table_info(?)').all(String(name));
      assert.deepEqual(columns(store), columns(page), String(name));
    }
  });
});

describe('every block of commands and of code in the pages', () => {
  it('was run by a test of this file, or is named with what holds it', () => {
    const isElsewhere = ({ text }: Block): boolean =>
      Object.keys(ELSEWHERE).some((beginning) => text.trimStart().startsWith(beginning));
    const left = BLOCKS.filter((each) => !ran.has(each) && !isElsewhere(each));
    assert.deepEqual(
      left.map(({ page, text }) => `${page}: ${text.split('\n')[0]}`),
      [],
    );
    assert.ok(BLOCKS.length > 40, String(BLOCKS.length));
  });

  it('no name of what is run elsewhere is left over', () => {
    const unused = Object.keys(ELSEWHERE).filter(
      (beginning) => !BLOCKS.some(({ text }) => text.trimStart().startsWith(beginning)),
    );
    assert.deepEqual(unused, []);
  });
});
