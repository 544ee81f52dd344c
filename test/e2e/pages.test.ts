/** The first pages a newcomer reads, run as they stand there: only ports and the data directory are put in. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../support/free-port.ts';
import { TemporaryDirectory } from '../support/temporary-store.ts';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const env = { ...process.env, PATH: `${dirname(process.execPath)}:${process.env.PATH}` };

/** The shell commands of a page, a block each. */
function commandsOf(page: string): string[] {
  const text = readFileSync(join(ROOT, 'docs', page), 'utf8');
  return [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = '']) => block);
}

describe('docs/start.md', () => {
  let directory: TemporaryDirectory;
  let ports: { service: number; receiver: number };
  const started: ChildProcess[] = [];

  before(async () => {
    directory = new TemporaryDirectory();
    ports = { service: await freePort(), receiver: await freePort() };
  });

  after(async () => {
    for (const child of started) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    directory[Symbol.dispose]();
  });

  const placed = (commands: string): string =>
    commands
      .replaceAll('./data', directory.file('data'))
      .replaceAll('127.0.0.1:8080', `127.0.0.1:${ports.service}`)
      .replaceAll('127.0.0.1:9000', `127.0.0.1:${ports.receiver}`);

  /** Starts what a terminal is left to; resolves with its lines once the first one is there. */
  async function inTerminal(commands: string, own: Record<string, string>): Promise<string[]> {
    const child = spawn('sh', ['-c', `exec ${placed(commands).trim()}`], {
      cwd: ROOT,
      env: { ...env, ...own },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    started.push(child);
    const lines: string[] = [];
    const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    reader.on('line', (line) => lines.push(line));
    await once(reader, 'line');
    return lines;
  }

  it('leads from nothing to an export that arrives', async () => {
    const [setUp = '', serve = '', receive = '', send = ''] = commandsOf('start.md');
    // What CI does with every clone; the demo has a test of its own.
    assert.equal(setUp, 'npm ci && npm run demo\n');
    // npx would start it in a process of its own, which the end of the test would not reach.
    const direct = serve.replace('npx export-service', 'node bin/export-service.js');
    const served = await inTerminal(direct, { DATABOX_LOCAL_PORT: `${ports.service}` });
    assert.match(served[0] ?? '', new RegExp(`http://127\\.0\\.0\\.1:${ports.service}`));
    const received = await inTerminal(receive, { PORT: `${ports.receiver}` });
    await run('sh', ['-c', placed(send)], { cwd: ROOT, env });
    const day = readFileSync(join(ROOT, 'samples', 'day.json'), 'utf8');
    assert.ok(received.join('\n').includes(day.trim()), received.join('\n'));
  });
});

it('the site of the pages is built, and asks nobody else for anything', async () => {
  using directory = new TemporaryDirectory();
  const vitepress = join(ROOT, 'node_modules', 'vitepress', 'bin', 'vitepress.js');
  const site = directory.file('site');
  await run(process.execPath, [vitepress, 'build', 'docs', '--outDir', site], { cwd: ROOT, env });
  const pages = globSync('docs/*.md', { cwd: ROOT }).map((page) => page.slice('docs/'.length, -'.md'.length));
  for (const page of pages) {
    const file = join(site, `${page}.html`);
    assert.ok(existsSync(file), page);
    const html = readFileSync(file, 'utf8');
    assert.doesNotMatch(html, /(?:src|href)="https?:[^"]*\.(?:js|css|woff2?)"/, page);
  }
  assert.ok(existsSync(join(site, 'examples', 'export.sh')));
});

it('each page is in the side bar of the site', () => {
  const config = readFileSync(join(ROOT, 'docs', '.vitepress', 'config.ts'), 'utf8');
  const pages = globSync('docs/*.md', { cwd: ROOT }).map((page) => page.slice('docs/'.length, -'.md'.length));
  const missing = pages.filter((page) => page !== 'index' && !config.includes(`link: '/${page}'`));
  assert.deepEqual(missing, []);
});
