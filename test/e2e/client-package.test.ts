/** The SDK as whoever installs it has it: packed, in an empty project, compiled, on Node 20 too, against a real service. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as nasty from '../support/destinations/nasty.ts';
import { findNode20 } from '../support/node-20.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
const env = { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` };

const APP = `
import { ExportClient } from 'databox-export-client';

const client = ExportClient.fromEnvironment();
const destination = process.env.DESTINATION;
const { answer } = await client.submitAndWait({ destination, data: { n: 1 } });
const many = await client.submitMany([{ destination, json: '2' }, { destination, json: '3.0' }]);
async function* source() {
  for (let n = 4; n < 54; n += 1) yield { destination, data: n };
}
let accepted = 0;
for await (const result of client.submitStream(source())) accepted += result.accepted ? 1 : 0;
const last = many[1];
for await (const status of client.watch(last)) last.state = status.state;
const error = await client.submit({ destination: destination + '/other', data: 1 }).catch((error) => error);
console.log(JSON.stringify({
  node: process.versions.node, answer: answer.status, last: last.state, accepted, refusal: error.code,
}));
`;

const node20 = await findNode20();

describe('the packed client in an empty project', () => {
  let directory: TemporaryDirectory;
  let project: string;
  let installed: string;

  before(async () => {
    directory = new TemporaryDirectory();
    const built = join(directory.path, 'built');
    await run(process.execPath, [join(ROOT, 'scripts', 'build.ts'), '--client', built]);
    await run('npm', ['pack', '--pack-destination', directory.path], { cwd: built, env });
    const tarball = (await readdir(directory.path)).find((name) => name.endsWith('.tgz'));
    project = join(directory.path, 'project');
    await mkdir(project);
    await run('npm', ['init', '-y'], { cwd: project, env });
    const install = ['install', '--offline', '--no-audit', '--no-fund', `../${tarball}`];
    await run('npm', install, { cwd: project, env });
    installed = join(project, 'node_modules', 'databox-export-client');
  });

  after(() => directory[Symbol.dispose]());

  it('is what the service is, in JavaScript, with declarations and nothing to install beside it', async () => {
    const files = await readdir(installed);
    assert.deepEqual(files.filter((name) => !/\.(?:js|d\.ts)$/.test(name)).sort(), [
      'LICENSE',
      'README.md',
      'package.json',
    ]);
    const manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
    const service = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    assert.equal(manifest.version, service.version);
    assert.equal(manifest.dependencies, undefined);
    assert.deepEqual(
      (await readdir(join(project, 'node_modules'))).filter((name) => !name.startsWith('.')),
      ['databox-export-client'],
    );
  });

  it('has declarations that take right use and make wrong use a compile error', async () => {
    const uses = await readFile(join(ROOT, 'client', 'support', 'uses.ts'), 'utf8');
    const file = join(project, 'uses.mts');
    await writeFile(file, uses.replaceAll("'../index.ts'", "'databox-export-client'"));
    const flags = ['--noEmit', '--strict', '--target', 'es2022', '--module', 'nodenext', '--types', '', file];
    await run(process.execPath, [TSC, ...flags], { cwd: project });

    // The same without the marks: each of the wrong lines is one error at least.
    const unmarked = join(project, 'unmarked.mts');
    const wrong = uses.match(/^ *\/\/ @ts-expect-error/gm)?.length ?? 0;
    assert.ok(wrong > 20);
    await writeFile(
      unmarked,
      uses.replaceAll("'../index.ts'", "'databox-export-client'").replaceAll('@ts-expect-error', ''),
    );
    const { stdout } = await run(process.execPath, [TSC, ...flags.slice(0, -1), unmarked], {
      cwd: project,
    }).catch((error) => error);
    const lines = new Set([...stdout.matchAll(/^unmarked\.mts\((\d+),/gm)].map(([, line]) => line));
    assert.ok(lines.size >= wrong, `${lines.size} lines of ${wrong}`);
  });

  for (const [name, node] of [
    ['the Node of the tests', process.execPath],
    ['Node 20', node20],
  ] as const) {
    it(`submits, streams, waits and watches on ${name}`, {
      skip: node === null && 'no Node 20 here',
    }, async () => {
      await using destination = await nasty.answers();
      await using service = await ServiceProcess.start();
      const { url } = destination;
      await writeFile(join(project, 'app.mjs'), APP);
      const appEnv = {
        ...process.env,
        EXPORT_URL: service.url,
        EXPORT_TOKEN: tokenFor({ destination: url }),
        DESTINATION: url,
      };
      const { stdout } = await run(node as string, ['app.mjs'], { cwd: project, env: appEnv });
      const told = JSON.parse(stdout);
      if (node === node20) assert.match(told.node, /^20\./);
      assert.deepEqual(
        { ...told, node: 'any' },
        { node: 'any', answer: 200, last: 'Finished', accepted: 50, refusal: 'caveat_refused' },
      );
    });
  }
});
