/** The programs that the API page shows, taken from a running service and run as they are. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { request } from 'undici';
import type { TestDestination } from '../support/destinations/destination.ts';
import * as nasty from '../support/destinations/nasty.ts';
import { ServiceProcess, tokenFor } from '../support/service.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const path = `${dirname(process.execPath)}${delimiter}${process.env.PATH}`;

/** How a program in a language is run. A machine without its tool skips it, and says so. */
const LANGUAGES: Readonly<Record<string, { file: string; command: readonly string[] }>> = {
  Shell: { file: 'example.sh', command: ['sh', 'example.sh'] },
  TypeScript: { file: 'example.ts', command: [process.execPath, 'example.ts'] },
  Go: { file: 'example.go', command: ['go', 'run', 'example.go'] },
  Python: { file: 'example.py', command: ['python3', 'example.py'] },
};
const PROBES: Readonly<Record<string, readonly string[]>> = {
  Shell: ['curl', '--version'],
  TypeScript: [process.execPath, '--version'],
  Go: ['go', 'version'],
  Python: ['python3', '--version'],
};

async function isHere([command = '', ...args]: readonly string[]): Promise<boolean> {
  return run(command, args).then(
    () => true,
    () => false,
  );
}

interface Sample {
  readonly operation: string;
  readonly lang: string;
  readonly source: string;
}

async function samplesOf(service: ServiceProcess): Promise<Sample[]> {
  const response = await request(`${service.url}/openapi.json`);
  const { paths } = (await response.body.json()) as {
    paths: Record<string, Record<string, { 'x-codeSamples'?: { lang: string; source: string }[] }>>;
  };
  return Object.entries(paths).flatMap(([operation, methods]) =>
    Object.values(methods).flatMap((method) =>
      (method['x-codeSamples'] ?? []).map(({ lang, source }) => ({ operation, lang, source })),
    ),
  );
}

describe('an example of the API page', () => {
  let directory: TemporaryDirectory;
  let service: ServiceProcess;
  let destination: TestDestination;
  let samples: Sample[];

  before(async () => {
    directory = new TemporaryDirectory();
    // Where `npm install databox-export-client` would put it.
    const client = join(directory.path, 'node_modules', 'databox-export-client');
    await run(process.execPath, [join(ROOT, 'scripts', 'build.ts'), '--client', client]);
    await writeFile(join(directory.path, 'package.json'), '{"type": "module"}');
    service = await ServiceProcess.start();
    destination = await nasty.answers('201 Created', '{"stored":true}');
    samples = await samplesOf(service);
  });

  after(async () => {
    await service[Symbol.asyncDispose]();
    await destination.close();
    directory[Symbol.dispose]();
  });

  for (const operation of ['/export', '/lp/export']) {
    for (const [lang, { file, command }] of Object.entries(LANGUAGES)) {
      it(`on ${operation} in ${lang} exports, and prints the answer`, async (t) => {
        const [tool = '', ...args] = command;
        if (!(await isHere(PROBES[lang] ?? []))) return t.skip(`no ${tool} here`);
        const sample = samples.find((each) => each.operation === operation && each.lang === lang);
        assert.ok(sample);
        await mkdir(directory.path, { recursive: true });
        await writeFile(join(directory.path, file), sample.source);
        const arrived = destination.received.length;
        const { stdout } = await run(tool, args, {
          cwd: directory.path,
          env: {
            ...process.env,
            PATH: path,
            EXPORT_URL: service.url,
            EXPORT_TOKEN: tokenFor({ destination: destination.url }),
            DESTINATION: destination.url,
          },
        });
        assert.match(stdout, /201[\s\S]*\{\\?"stored\\?":true\}/);
        assert.equal(destination.received.length, arrived + 1);
        assert.match(destination.received.at(-1)?.body.toString() ?? '', /"celsius":21\.5/);
      });
    }
  }

  it('is there for every file in docs/examples', async () => {
    assert.equal((await readdir(join(ROOT, 'docs', 'examples'))).length, samples.length);
  });
});
