/** The client's companion as whoever installs it has it: packed, beside the packed client, on Node 20 too, in a box. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { TestArbiter } from '../support/arbiter/test-arbiter.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { findNode20 } from '../support/node-20.ts';
import { ServiceProcess } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

const APP = `
import { arbiterToken } from 'databox-export-arbiter';
import { ExportClient } from 'databox-export-client';

const { DESTINATION: destination, SECRETS: secretsDir } = process.env;
const ask = arbiterToken({ destination, secretsDir });
let asks = 0;
const token = () => {
  asks += 1;
  // The first one is of a service that is no more.
  return asks === 1 ? 'MDAwZWxvY2F0aW9uIAowMDEwaWRlbnRpZmllciAKMDAyZnNpZ25hdHVyZSAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAo=' : ask();
};
const client = ExportClient.fromEnvironment({ path: '/lp/export', token });
const { answer } = await client.submitAndWait({ destination, data: { n: 1 } });
const refused = await arbiterToken({ destination: destination + '/other', secretsDir })().catch((error) => error);
const atOnce = await Promise.all([ask(), ask()]);
console.log(JSON.stringify({
  node: process.versions.node, answer: answer.status, asks, isShared: atOnce[0] === atOnce[1],
  refused: [refused.name, refused.code, /129/.test(refused.message)],
}));
`;

const node20 = await findNode20();

describe('the packed companion beside the packed client', () => {
  let directory: TemporaryDirectory;
  let project: string;

  before(async () => {
    directory = new TemporaryDirectory();
    project = join(directory.path, 'project');
    const modules = join(project, 'node_modules');
    await mkdir(modules, { recursive: true });
    for (const name of ['client', 'client-arbiter']) await install(name, modules);
    // What npm would fetch; here it is the one that the service has.
    await symlink(join(ROOT, 'node_modules', 'zeromq'), join(modules, 'zeromq'));
    await writeFile(join(project, 'app.mjs'), APP);
  });

  after(() => directory[Symbol.dispose]());

  /** Packs a package and unpacks it where it is installed. */
  async function install(name: string, modules: string): Promise<void> {
    const built = join(directory.path, name);
    await run(process.execPath, [join(ROOT, 'scripts', 'build.ts'), `--${name}`, built]);
    const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory.path], {
      cwd: built,
      env,
    });
    const [packed] = Object.values(JSON.parse(stdout)) as [{ name: string; filename: string }];
    const target = join(modules, packed.name);
    await mkdir(target);
    const flags = ['-xzf', join(directory.path, packed.filename), '-C', target, '--strip-components=1'];
    await run('tar', flags);
  }

  it('is what the service is, in JavaScript, and needs ZeroMQ alone', async () => {
    const installed = join(project, 'node_modules', 'databox-export-arbiter');
    const files = await readdir(installed, { recursive: true, withFileTypes: true });
    const others = files.filter((file) => file.isFile() && !/\.(?:js|d\.ts)$/.test(file.name));
    assert.deepEqual(others.map(({ name }) => name).sort(), ['LICENSE', 'README.md', 'package.json']);
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
    const service = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.equal(manifest.version, service.version);
    assert.deepEqual(manifest.dependencies, { zeromq: service.dependencies.zeromq });
  });

  for (const [name, node] of [
    ['the Node of the tests', process.execPath],
    ['Node 20', node20],
  ] as const) {
    it(`gets a token, and another when the first is refused, on ${name}`, {
      skip: node === null && 'no Node 20 here',
    }, async () => {
      await using arbiter = await TestArbiter.start();
      await using destination = await nasty.answers();
      await using service = await ServiceProcess.startKeyless(arbiter.flags);
      using secrets = new TemporaryDirectory();
      await service.logged(/the arbiter gave a root key/);
      arbiter.admit('sleep-app', destination.url, secrets.path);
      const { stdout } = await run(node as string, ['app.mjs'], {
        cwd: project,
        env: {
          ...process.env,
          DATABOX_ARBITER_ENDPOINT: arbiter.endpoint,
          DATABOX_LOCAL_NAME: 'sleep-app',
          EXPORT_URL: service.url,
          DESTINATION: destination.url,
          SECRETS: secrets.path,
        },
      });
      const told = JSON.parse(stdout);
      if (node === node20) assert.match(told.node, /^20\./);
      assert.deepEqual(
        { ...told, node: 'any' },
        {
          node: 'any',
          answer: 200,
          asks: 2,
          isShared: true,
          refused: ['ArbiterTokenError', 'refused', true],
        },
      );
    });
  }
});
