/**
 * The arbiter of `export-service demo`, a process of its own: Zest over ZeroMQ with CURVE, as in a box. Its secrets are
 * in the folder that is its only argument, under the names that a box gives them.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Arbiter } from './arbiter.ts';
import { ArbiterServer } from './arbiter-server.ts';

const [, , folder = ''] = process.argv;
const secret = (name: string): string => readFileSync(path.join(folder, name), 'utf8');

const arbiter = new Arbiter(secret('CM_KEY'));
const keys = { publicKey: secret('ZMQ_PUBLIC_KEY'), secretKey: secret('ZMQ_SECRET_KEY') };
const server = await ArbiterServer.start({ keys, answer: (frame) => arbiter.answer(frame) });
process.stdout.write(`demo arbiter listens on ${server.endpoint}\n`);

// Whoever started this holds the other end: when it is gone, however it went, so are we.
process.stdin.resume();
process.stdin.on('close', () => process.exit(0));
