import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { type Progress, ProgressLine } from './progress.ts';

const NOTHING: Progress = { done: 0, failed: 0, bytesDone: 0, bytesTotal: 1_000, waitingFor: null };

class Terminal {
  written = '';
  now = 0;
  readonly line: ProgressLine;

  constructor(options: { isTTY?: boolean; columns?: number; env?: Record<string, string> } = {}) {
    const { isTTY = true, columns = 100, env = {} } = options;
    const output = { isTTY, columns, write: (text: string) => (this.written += text) };
    this.line = new ProgressLine(output, env, () => this.now);
  }

  /** What stands on the line now. */
  get shown(): string {
    const last = this.written.split('\r').at(-1) ?? '';
    return stripVTControlCharacters(last);
  }
}

test('the line tells how far it is, how fast, what is left and what failed', () => {
  const terminal = new Terminal();
  terminal.line.update(NOTHING);
  assert.equal(terminal.shown, `${'░'.repeat(24)}    0 %  0 exports`);
  terminal.now = 2_000;
  terminal.line.update({ ...NOTHING, done: 1_000, failed: 3, bytesDone: 500 });
  assert.equal(
    terminal.shown,
    `${'█'.repeat(12)}${'░'.repeat(12)}   50 %  1,000 exports  3 failed  500/s  2 s left`,
  );
  terminal.now = 4_000;
  terminal.line.update({ ...NOTHING, done: 2_000, failed: 3, bytesDone: 1_000 });
  assert.equal(terminal.shown, `${'█'.repeat(24)}  100 %  2,000 exports  3 failed  500/s`);
});

test('rate and time left are those of the last seconds', () => {
  const terminal = new Terminal();
  terminal.line.update(NOTHING);
  for (let second = 1; second <= 60; second += 1) {
    terminal.now = second * 1_000;
    terminal.line.update({ ...NOTHING, done: second < 30 ? second * 100 : 3_000, bytesDone: 500 });
  }
  assert.match(terminal.shown, / 0\/s$/);
});

test('of a source of unknown length it tells no share and no time left', () => {
  const terminal = new Terminal();
  terminal.line.update({ ...NOTHING, bytesTotal: null });
  terminal.now = 1_000;
  terminal.line.update({ ...NOTHING, bytesTotal: null, done: 40, waitingFor: 'waiting for the service' });
  assert.equal(terminal.shown, '40 exports  waiting for the service  40/s');
});

test('it is drawn ten times a second at most, and keeps within the terminal', () => {
  const terminal = new Terminal({ columns: 44 });
  for (let now = 0; now < 1_000; now += 1) {
    terminal.now = now;
    terminal.line.update({ ...NOTHING, done: now, failed: 1, bytesDone: now });
  }
  assert.equal(terminal.written.split('\r').length - 1, 10);
  assert.ok(terminal.shown.length < 44, terminal.shown);
});

test('a note goes above the line, and nothing of the line is left at the end', () => {
  const terminal = new Terminal({ env: { NO_COLOR: '1' } });
  terminal.line.update(NOTHING);
  terminal.line.note('line 7 is bad');
  assert.ok(terminal.written.includes('\r\x1b[Kline 7 is bad\n\r░'));
  terminal.line[Symbol.dispose]();
  assert.ok(terminal.written.endsWith('\r\x1b[K'));
  // The line is cleared, and nothing else is done with the terminal.
  const withoutClearing = terminal.written.replaceAll('\x1b[K', '');
  assert.equal(stripVTControlCharacters(withoutClearing), withoutClearing);
});

test('where there is no terminal only notes are printed', () => {
  const pipe = new Terminal({ isTTY: false });
  pipe.line.update(NOTHING);
  pipe.line.draw();
  pipe.line.note('line 7 is bad');
  pipe.line[Symbol.dispose]();
  assert.equal(pipe.written, 'line 7 is bad\n');
});
