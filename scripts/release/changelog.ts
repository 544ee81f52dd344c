/** MAJOR.MINOR.PATCH, with a part for pre-releases or without, as Semantic Versioning 2.0.0 has it. */
const VERSION = /^(\d+)\.(\d+)\.(\d+)(?:-([\da-z.-]+))?$/;
const UNRELEASED = '## Unreleased\n';

/**
 * The changelog with what is under "Unreleased" moved under this version and day.
 *
 * @param at the day is that of UTC
 * @throws Error when it is no version, is there already, or nothing is under "Unreleased"
 */
export function releaseChangelog(changelog: string, version: string, at: Date): string {
  if (!VERSION.test(version)) throw new Error(`"${version}" is no version such as 1.2.3.`);
  const [head, rest, ...more] = changelog.split(UNRELEASED);
  if (head === undefined || rest === undefined || more.length > 0)
    throw new Error('CHANGELOG.md must have one section "## Unreleased".');
  if (rest.includes(`\n## ${version} `)) throw new Error(`CHANGELOG.md has ${version} already.`);
  const [changes = ''] = rest.split(/^## /m);
  if (changes.trim() === '') throw new Error('CHANGELOG.md has nothing under "Unreleased".');
  return `${head}${UNRELEASED}\n## ${version} (${at.toISOString().slice(0, 10)})\n${rest}`;
}

/** Below 0 when `a` is older than `b`, above when it is newer. A pre-release is older than its release. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  for (const [index, number] of left.numbers.entries()) {
    const difference = number - (right.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.pre === right.pre) return 0;
  if (left.pre === '') return 1;
  if (right.pre === '') return -1;
  return left.pre.localeCompare(right.pre, 'en', { numeric: true });
}

function parse(version: string): { numbers: number[]; pre: string } {
  const match = VERSION.exec(version);
  if (match === null) throw new Error(`"${version}" is no version such as 1.2.3.`);
  return { numbers: match.slice(1, 4).map(Number), pre: match[4] ?? '' };
}
