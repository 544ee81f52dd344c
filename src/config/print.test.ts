import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadConfig, readArguments, settingFlags } from '../config.ts';
import { printConfig, printConfigJson } from './print.ts';
import { flagName, SETTING_KEYS, settingOf } from './settings.ts';

function load(args: readonly string[], env: Record<string, string> = {}) {
  return loadConfig(readArguments(args, settingFlags()), env);
}

test('the printed settings name every setting once', () => {
  const names = printConfig(load([]))
    .split('\n')
    .map((line) => line.split(' ')[0]);
  assert.deepEqual(names, [...SETTING_KEYS.map((key) => flagName(settingOf(key)).slice(2)), '']);
});

test('the printed settings say where each value comes from', () => {
  const text = printConfig(load(['-p', '0', '-vv'], { EXPORT_ALLOW_NETWORKS: '10.0.0.0/8,fd00::/8' }));
  assert.match(text, /^port +0 +--port$/m);
  assert.match(text, /^log-level +debug +-v$/m);
  assert.match(text, /^allow-network +10\.0\.0\.0\/8, fd00::\/8 +EXPORT_ALLOW_NETWORKS$/m);
  assert.match(text, /^store +sqlite:\.\/data\/exports\.db +default$/m);
  assert.match(text, /^destination-ca +none +default$/m);
});

test('the printed settings never show the root key, but that there is one', () => {
  for (const loaded of [load(['--secret', 'geheim']), load([], { EXPORT_SECRET: 'geheim' })]) {
    assert.match(printConfig(loaded), /^secret +\*{8} /m);
    assert.doesNotMatch(printConfig(loaded) + printConfigJson(loaded), /geheim/);
  }
});

test('the settings as JSON keep numbers, truth values and lists', () => {
  const shown = JSON.parse(printConfigJson(load(['--allow-network', 'fd00::/8'])));
  assert.deepEqual(shown.port, { value: 8080, from: 'default' });
  assert.deepEqual(shown['allow-http'], { value: false, from: 'default' });
  assert.deepEqual(shown['allow-network'], { value: ['fd00::/8'], from: '--allow-network' });
  assert.deepEqual(shown['body-bytes-max'], { value: '1 MiB', from: 'default' });
  assert.deepEqual(shown.secret, { value: null, from: 'default' });
});
