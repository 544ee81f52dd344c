/** Command lines and environments. Either a configuration comes of it, or one line that names what is wrong. */
import assert from 'node:assert/strict';
import { parseNetwork } from '../../../src/addresses/network.ts';
import { printConfig, printConfigJson } from '../../../src/config/print.ts';
import { SETTING_KEYS, settingOf } from '../../../src/config/settings.ts';
import { loadConfig, readArguments, settingFlags, UsageError } from '../../../src/config.ts';
import { type FuzzTarget, mustBe } from '../target.ts';

const SECRET = 'THE-SECRET';
const FLAGS = settingFlags();

export function open(): FuzzTarget {
  const settings = SETTING_KEYS.map(settingOf);
  const names = settings.flatMap(({ flags, env }) => [...flags, `${env}=`]);
  return {
    // One argument a line; a line such as NAME=value is a variable.
    seeds: [
      '--port\n0\n--host\n127.0.0.1\n-v\n-v',
      `EXPORT_SECRET=${SECRET}\n--data-dir\n./data\n--allow-http=true`,
      `--secret=${SECRET}\n--allow-network\n10.0.0.0/8\n--allow-network\nfd00::/8`,
      'EXPORT_ALLOW_NETWORKS=10.0.0.0/8, 192.168.0.0/16\n--retry-base\n500ms\n--body-bytes-max\n1MiB',
      '--attempt-timeout=30s\n--keep-results\n7d\n--store-bytes-max\n10 GiB\n--rate-max\n50',
      '--store\nsqlite:/data/exports.db\n--log-level\ndebug\n--require-destination=false',
    ].map((text) => Buffer.from(text)),
    dictionary: [
      ...names.map((name) => `\n${name}\n`),
      ...[
        '\n',
        '=',
        '--',
        '-',
        'ms',
        's',
        'KiB',
        'GiB',
        '/0',
        '/128',
        '::',
        '0x',
        '1e3',
        '-1',
        '.5',
        '\0',
        '\ud83d\ude00',
        ' ',
      ],
      ...['true', 'false', 'on', '9'.repeat(20), 'sqlite:', 'postgres://u:p@h/', '<data-dir>'],
    ],
    check(input) {
      const lines = Buffer.from(input).toString('utf8').split('\n');
      const isVariable = (line: string): boolean => /^(?:EXPORT|DATABOX)_[A-Z_]+=/.test(line);
      const env = Object.fromEntries(
        lines
          .filter(isVariable)
          .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
      );
      try {
        const loaded = loadConfig(
          readArguments(
            lines.filter((line) => !isVariable(line)),
            FLAGS,
          ),
          env,
        );
        for (const cidr of loaded.config.allowNetworks) parseNetwork(cidr);
        // A change may have made it the value of another setting: a path, which is shown.
        const { secret } = loaded.config;
        const isSecret =
          secret?.includes(SECRET) && lines.filter((line) => line.includes(SECRET)).length === 1;
        if (isSecret)
          assert.ok(!(printConfig(loaded) + printConfigJson(loaded)).includes(SECRET), 'a secret is shown');
        return 'a configuration';
      } catch (error) {
        const { message } = mustBe(error, UsageError);
        assert.ok(!/[\n\r]/.test(message), message);
        assert.ok(message.length < 2_000);
        return 'refused';
      }
    },
  };
}
