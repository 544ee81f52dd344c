import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { EventEmitter, once } from 'node:events';
import type { DnsChannel, NameSources } from '../../../src/names/look-up.ts';

/** What it knows of a name: its addresses, nothing at all (it keeps silent), or a code of RFC 1035, section 4.1.1. */
export type Zone = Readonly<Record<string, readonly string[] | 'silent' | 'silent about IPv6' | 'servfail'>>;

const HOUR_MS = 3_600_000;
const TYPE_A = 1;
const TYPE_AAAA = 28;
const RCODES = { found: 0, servfail: 2, nxdomain: 3 } as const;

interface Question {
  readonly name: string;
  readonly type: number;
  /** Its bytes, as they are repeated in the answer. */
  readonly bytes: Buffer;
}

/** A name server of this process, on UDP; lower-case names that its zone does not have do not exist. */
export class NameServer implements AsyncDisposable {
  readonly #socket: Socket = createSocket('udp4');
  readonly #zone: Zone;
  readonly #heard = new EventEmitter();
  /** Names asked about, each kind of address on its own. */
  readonly questions: string[] = [];

  private constructor(zone: Zone) {
    this.#zone = zone;
    this.#socket.on('message', (message, from) => this.#hear(message, from));
  }

  static async start(zone: Zone): Promise<NameServer> {
    const server = new NameServer(zone);
    server.#socket.bind(0, '127.0.0.1');
    await once(server.#socket, 'listening');
    return server;
  }

  /** A channel that asks this server and no other. */
  openChannel(): DnsChannel {
    // Longer than any test: what ends a lookup is who asked for it.
    const resolver = new Resolver({ timeout: HOUR_MS, maxTimeout: HOUR_MS, tries: 1 });
    resolver.setServers([`127.0.0.1:${this.#socket.address().port}`]);
    return resolver;
  }

  /** Names that come from here alone. */
  get sources(): NameSources {
    return {
      hosts: () => new Map(),
      search: () => ({ domains: [], dotsMin: 1 }),
      openChannel: () => this.openChannel(),
    };
  }

  /** Resolves once it has been asked about a name. */
  async asked(name: string): Promise<void> {
    while (!this.questions.includes(name)) await this.heard();
  }

  /** Resolves at the next question. */
  async heard(): Promise<void> {
    await once(this.#heard, 'question');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #hear(message: Buffer, from: RemoteInfo): void {
    const question = readQuestion(message);
    this.questions.push(question.name);
    this.#heard.emit('question');
    const known = this.#zone[question.name];
    if (known === 'silent' || (known === 'silent about IPv6' && question.type === TYPE_AAAA)) return;
    this.#socket.send(answer(message, question, known), from.port, from.address);
  }
}

function readQuestion(message: Buffer): Question {
  const labels: string[] = [];
  let at = 12;
  for (let length = message[at] ?? 0; length > 0; length = message[at] ?? 0) {
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return {
    // Whoever asks may vary the case, as a check on who answers.
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at + 1),
    bytes: message.subarray(12, at + 5),
  };
}

function answer(message: Buffer, question: Question, known: Zone[string] | undefined): Buffer {
  const addresses = typeof known === 'object' ? known : known === 'silent about IPv6' ? ['192.0.2.1'] : [];
  const records = addresses
    .filter((address) => (address.includes(':') ? TYPE_AAAA : TYPE_A) === question.type)
    .map((address) => record(question.type, address));
  const rcode = known === undefined ? RCODES.nxdomain : known === 'servfail' ? RCODES.servfail : RCODES.found;
  const head = Buffer.alloc(12);
  message.copy(head, 0, 0, 2);
  // An answer, recursion asked for and available.
  head.writeUInt16BE(0x8180 | rcode, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(records.length, 6);
  return Buffer.concat([head, question.bytes, ...records]);
}

/** About the name at byte 12, that of the question. Good for no time. */
function record(type: number, address: string): Buffer {
  const bytes = type === TYPE_A ? Buffer.from(address.split('.').map(Number)) : ipv6Bytes(address);
  const head = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 0, 0, bytes.length]);
  return Buffer.concat([head, bytes]);
}

/** Of the form `a:b::c`. */
function ipv6Bytes(address: string): Buffer {
  const [before = [], after = []] = address.split('::').map((half) => half.split(':').filter(Boolean));
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const groups = [...before, ...zeros, ...after].map((group) => group.padStart(4, '0'));
  return Buffer.from(groups.join(''), 'hex');
}
