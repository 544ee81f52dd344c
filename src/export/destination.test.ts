import assert from 'node:assert/strict';
import { it } from 'node:test';
import { canBeDestination } from './destination.ts';

it('a rule is about a place where an export may go', () => {
  for (const text of [
    'https://lab.example',
    'https://lab.example/',
    'https://lab.example:8443/in?a=b\\c#d',
    'HTTP://[2001:db8::1]/in',
    'http://localhost:8080',
  ])
    assert.ok(canBeDestination(text), text);
});

it('what can match no export is no such place, though some of it parses as a URL', () => {
  for (const text of [
    'lab.example',
    'lab.example:443',
    'localhost:8080',
    'mailto:lab@lab.example',
    'urn:lab',
    'wss://lab.example',
    'ftp://lab.example/in',
    'https:lab.example',
    'https:/lab.example',
    ' https://lab.example',
    'https://lab.example/\tin',
    'https://lab.example\\in',
    'https://*.lab.example',
    'https://me@lab.example/in',
    'https://me:secret@lab.example/in',
    `https://lab.example/${'a'.repeat(8_192)}`,
    `https://lab.example/\ud800`,
  ])
    assert.ok(!canBeDestination(text), text);
});
