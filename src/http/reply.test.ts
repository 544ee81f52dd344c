/** What becomes of an answer that nobody reads. The rest of sending is shown by the tests of the server. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it, mock } from 'node:test';
import type { FastifyReply } from 'fastify';
import { sendJson } from './reply.ts';

const LONG = 64 * 1_024 + 1;
const READ_TIMEOUT_MS = 60_000;

/** As much of a reply as sending needs. */
function replyOn(raw: EventEmitter & { destroy(): void }): FastifyReply {
  const reply = { raw, server: { server: { listening: true } } } as Record<string, unknown>;
  for (const method of ['header', 'code', 'serializer', 'send']) reply[method] = () => reply;
  return reply as unknown as FastifyReply;
}

function sendOf(length: number) {
  const raw = Object.assign(new EventEmitter(), { destroy: mock.fn() });
  sendJson(replyOn(raw), 200, 'application/json', 'x'.repeat(length));
  return { raw, isCut: () => raw.destroy.mock.callCount() > 0 };
}

describe('a long answer', { concurrency: false }, () => {
  it('that is not read within a minute is cut off: it would stay in memory for ever', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { isCut } = sendOf(LONG);
    t.mock.timers.tick(READ_TIMEOUT_MS - 1);
    assert.ok(!isCut());
    t.mock.timers.tick(1);
    assert.ok(isCut());
  });

  it('that is read in time is left alone, and a short one, which costs nothing to keep, too', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const read = sendOf(LONG);
    const short = sendOf(LONG - 1);
    read.raw.emit('close');
    t.mock.timers.tick(10 * READ_TIMEOUT_MS);
    assert.ok(!read.isCut() && !short.isCut());
  });
});
