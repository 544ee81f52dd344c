/**
 * Makes a release here: `release.ts VERSION [--dry-run]`. Looks first (a clean tree on main, a version that is newer, something
 * written under "Unreleased" in CHANGELOG.md, checks and tests), then sets the version, dates the changelog, commits and
 * tags. Publishes nothing: it prints what is left to do.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { compareVersions, releaseChangelog } from './release/changelog.ts';

const ROOT = resolve(import.meta.dirname, '..');
const CHANGELOG = join(ROOT, 'CHANGELOG.md');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { 'dry-run': { type: 'boolean', default: false } },
});
const [version = ''] = positionals;

const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
const changelog = releaseChangelog(readFileSync(CHANGELOG, 'utf8'), version, new Date());
if (compareVersions(version, manifest.version) < 0)
  throw new Error(`${version} is older than ${manifest.version}, which is there already.`);
if (git('tag', '--list', `v${version}`) !== '') throw new Error(`v${version} has been released.`);
if (git('status', '--porcelain') !== '') throw new Error('There are changes that are not committed.');
if (git('branch', '--show-current') !== 'main') throw new Error('Releases are made on main.');
if (values['dry-run']) {
  process.stdout.write(changelog);
} else {
  run('npm', 'test');
  run('npm', 'run', 'licences');
  run('npm', 'version', '--no-git-tag-version', '--allow-same-version', version);
  writeFileSync(CHANGELOG, changelog);
  run('git', 'commit', '--all', '--message', `Release ${version}`);
  run('git', 'tag', '--annotate', `v${version}`, '--message', `Release ${version}`);
  process.stdout.write(`
${version} is committed and tagged here. What is left:
  git push --follow-tags
  npm publish
  npm run build:client && npm publish ./dist-client
  npm run build:client-arbiter && npm publish ./dist-client-arbiter
  npm run package:deb -- ./out
`);
}

function git(...args: string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8' }).trim();
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { cwd: ROOT, stdio: 'inherit' });
}
