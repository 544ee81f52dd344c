/** The pages name files of the tree, as proof and for further reading: what they name is there. */
import assert from 'node:assert/strict';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = globSync(['*.md', 'docs/*.md', 'client/*.md'], { cwd: ROOT });

/** Paths in backticks that begin with a folder of ours, a glob perhaps; behind a blank there may be more words. */
const NAMED_PATH = /`((?:src|test|cli|client|scripts|samples|docs)\/[\w./*{},-]+)`/g;
const LINK = /\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)/g;
/** A link to a heading: of this page where no path stands before the `#`. */
const LINK_TO_HEADING = /\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g;

function pathsIn(page: string): { named: string[]; linked: string[] } {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const all = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map(([, path = '']) => path);
  return { named: all(NAMED_PATH), linked: all(LINK) };
}

for (const page of PAGES) {
  it(`${page} names and links only what is there`, () => {
    const { named, linked } = pathsIn(page);
    const missing = [
      ...named.filter((path) => globSync(path, { cwd: ROOT }).length === 0),
      ...linked.filter((path) => !existsSync(join(ROOT, dirname(page), path))),
    ];
    assert.deepEqual(missing, []);
  });
}

/** As both GitHub and the site name a heading. */
function anchorsOf(page: string): Set<string> {
  const text = readFileSync(join(ROOT, page), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => heading);
  const named = [...text.matchAll(/<a (?:id|name)="([^"]+)"/g)].map(([, name = '']) => name);
  const slugs = headings.map((heading) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set([...slugs, ...named]);
}

it('a link to a heading leads to one', () => {
  const links = PAGES.flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(LINK_TO_HEADING)].map(
      ([, path = '', anchor = '']) => ({
        page,
        to: path === '' ? page : join(dirname(page), path),
        anchor,
      }),
    ),
  );
  assert.ok(links.length > 5, String(links.length));
  const dead = links.filter(({ to, anchor }) => to.endsWith('.md') && !anchorsOf(to).has(anchor));
  assert.deepEqual(dead, []);
});

it('the pages were found, and they name something', () => {
  assert.ok(PAGES.length > 10, PAGES.join());
  const { named, linked } = pathsIn('docs/threat-model.md');
  assert.ok(named.length > 20 && linked.length > 1);
});

it('no page holds a place that is still to be filled in', () => {
  // Nothing is left for later here: these are the words by which an unfinished page is known.
  const left = PAGES.filter((page) =>
    /^[A-Z]+(?:_[A-Z]+)+$|\bTODO\b|\bTBD\b/m.test(readFileSync(join(ROOT, page), 'utf8')),
  );
  assert.deepEqual(left, []);
});
