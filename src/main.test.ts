import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runMain } from '../test/support/captured-io.ts';
import { SETTING_KEYS, settingOf } from './config/settings.ts';

test('--help lists the commands on stdout and ends with 0', async () => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await runMain(args);
    assert.equal(code, 0);
    for (const command of ['serve', 'demo', 'token'])
      assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'));
    assert.equal(stderr, '');
  }
});

test('serve --help lists the flags, the variable and the default of every setting', async () => {
  const { code, stdout } = await runMain(['serve', '--help']);
  assert.equal(code, 0);
  for (const key of SETTING_KEYS) {
    const { flags, env, default: text } = settingOf(key);
    for (const flag of flags) assert.ok(stdout.includes(flag), flag);
    assert.ok(stdout.includes(text === null ? `[${env}]` : `[${env}, default ${text}]`), env);
  }
});

test('help COMMAND is COMMAND --help, however deep', async () => {
  for (const words of [
    ['serve'],
    ['token'],
    ['token', 'mint'],
    ['token', 'inspect'],
    ['token', 'attenuate'],
  ]) {
    const asked = await runMain(['help', ...words]);
    assert.equal(asked.code, 0);
    assert.match(asked.stdout, new RegExp(`^Usage: export-service ${words.join(' ')}`));
    assert.deepEqual(asked, await runMain([...words, '--help']));
  }
});

test('no line of help is wider than 100 columns', async () => {
  for (const words of [
    [],
    ['serve'],
    ['token'],
    ['token', 'mint'],
    ['token', 'inspect'],
    ['token', 'attenuate'],
  ]) {
    const { stdout } = await runMain([...words, '--help']);
    for (const line of stdout.split('\n')) assert.ok(line.length <= 100, line);
  }
});

test('help is given even where other words of the command line are wrong', async () => {
  const { code, stdout } = await runMain(['serve', '--nope', '--help']);
  assert.equal(code, 0);
  assert.match(stdout, /^Usage: export-service serve/);
});

test('--version prints the version of the package alone', async () => {
  const { code, stdout } = await runMain(['--version']);
  assert.equal(code, 0);
  assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
});

test('an unknown command is named in one line on stderr, exit code 2', async () => {
  assert.deepEqual(await runMain(['exprot', '--help']), {
    code: 2,
    stdout: '',
    stderr: 'export-service: unknown command "exprot"; export-service --help lists them\n',
  });
});

test('flags without a command are those of serve', async () => {
  const withCommand = await runMain(['serve', '-v', '--print-config']);
  assert.equal(withCommand.code, 0);
  assert.deepEqual(await runMain(['-v', '--print-config']), withCommand);
});

test('a wrong setting ends the start with one line that names it, exit code 2', async () => {
  const expected = {
    code: 2,
    stdout: '',
    stderr: 'export-service: --port must be a whole number from 0 to 65535, not "x"\n',
  };
  assert.deepEqual(await runMain(['--port', 'x']), expected);
  assert.deepEqual(await runMain(['serve', '--port', 'x', '--print-config']), expected);
});

test('--print-config prints what would be used, as JSON with --json, and does not start anything', async () => {
  const env = { EXPORT_SECRET: 'geheim' };
  const { code, stdout } = await runMain(['serve', '--print-config'], env);
  assert.equal(code, 0);
  assert.match(stdout, /^port +8080 +default$/m);
  const json = await runMain(['serve', '--print-config', '--json'], env);
  assert.equal(JSON.parse(json.stdout).secret.from, 'EXPORT_SECRET');
  assert.doesNotMatch(stdout + json.stdout, /geheim/);
});

test('--json means nothing for a service that runs, so it is refused', async () => {
  const { code, stderr } = await runMain(['serve', '--json']);
  assert.equal(code, 2);
  assert.equal(stderr, 'export-service: --json goes with --print-config only\n');
});
