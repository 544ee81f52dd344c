import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compareVersions, releaseChangelog } from './changelog.ts';

const DAY = new Date('2026-11-24T23:59:00Z');
const CHANGELOG = '# Changelog\n\n## Unreleased\n\n- New.\n\n## 0.1.0 (2026-01-01)\n\n- First.\n';

describe('releaseChangelog', () => {
  it('dates what was unreleased and leaves room for what comes', () => {
    assert.equal(
      releaseChangelog(CHANGELOG, '0.2.0', DAY),
      '# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-11-24)\n\n- New.\n\n## 0.1.0 (2026-01-01)\n\n- First.\n',
    );
  });

  it('releases the first version of all', () => {
    assert.match(
      releaseChangelog('# Changelog\n\n## Unreleased\n\n- A.\n', '0.1.0', DAY),
      /## 0\.1\.0 .*\n\n- A\./,
    );
  });

  it('refuses what would be no release', () => {
    for (const [text, version, reason] of [
      [CHANGELOG, '1', /no version/],
      [CHANGELOG, 'v1.0.0', /no version/],
      [CHANGELOG, '0.1.0', /has 0\.1\.0 already/],
      ['# Changelog\n', '0.2.0', /one section/],
      ['## Unreleased\n\n## 0.1.0 (2026-01-01)\n', '0.2.0', /nothing/],
      ['## Unreleased\n- A\n## Unreleased\n- B\n', '0.2.0', /one section/],
    ] as const) {
      assert.throws(() => releaseChangelog(text, version, DAY), reason);
    }
  });
});

describe('compareVersions', () => {
  it('orders as Semantic Versioning does', () => {
    const inOrder = [
      '0.1.0',
      '0.1.1',
      '0.2.0-rc.2',
      '0.2.0-rc.10',
      '0.2.0',
      '0.10.0',
      '1.0.0-alpha',
      '1.0.0',
    ];
    for (const [index, version] of inOrder.entries()) {
      assert.equal(compareVersions(version, version), 0);
      for (const later of inOrder.slice(index + 1)) {
        assert.ok(compareVersions(version, later) < 0, `${version} < ${later}`);
        assert.ok(compareVersions(later, version) > 0, `${later} > ${version}`);
      }
    }
  });
});
