import net from 'node:net';
import { SOCKET_TOKEN } from './socket-client.ts';

export const OPCODE = { more: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** What a frame is made of; left out, it is a whole, masked text frame. */
export interface FrameOptions {
  readonly opcode?: number;
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly reserved?: number;
  readonly isMasked?: boolean;
  /** What the length says, where it is not to be the payload's. */
  readonly length?: number | bigint;
}

/** A frame of a server. */
export interface ReceivedFrame {
  readonly opcode: number;
  readonly payload: Buffer;
}

const MASK = Buffer.from('37fa213d', 'hex');

/** The bytes of a client's frame (RFC 6455, section 5.2), right or wrong. */
export function frameBytes(payload: Uint8Array | string = '', options: FrameOptions = {}): Buffer {
  const { opcode = OPCODE.text, fin = true, reserved = 0, isMasked = true } = options;
  const data = Buffer.from(payload as string);
  const length = BigInt(options.length ?? data.length);
  const head = [(fin ? 0x80 : 0) | (reserved << 4) | opcode];
  const maskBit = isMasked ? 0x80 : 0;
  const isLong = length > 0xffffn;
  const size = Buffer.alloc(isLong ? 8 : length > 125n ? 2 : 0);
  if (isLong) size.writeBigUInt64BE(length);
  else if (size.length === 2) size.writeUInt16BE(Number(length));
  head.push(maskBit | (isLong ? 127 : size.length === 2 ? 126 : Number(length)));
  if (isMasked) for (const [at, byte] of data.entries()) data[at] = byte ^ (MASK[at % 4] ?? 0);
  return Buffer.concat([Buffer.from(head), size, isMasked ? MASK : Buffer.alloc(0), data]);
}

/** The payload of a close frame. */
export function closePayload(code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(2);
  payload.writeUInt16BE(code);
  return Buffer.concat([payload, Buffer.from(reason)]);
}

export function handshake(
  headers: Readonly<Record<string, string>> = {},
  requestLine = 'GET /ws/export HTTP/1.1',
) {
  const all = {
    host: 'x',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'sec-websocket-version': '13',
    'x-api-key': SOCKET_TOKEN,
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${requestLine}\r\n${lines.join('')}\r\n`;
}

/** A WebSocket of bare bytes: says what no client library would, and reads only when told to. */
export class RawSocket implements Disposable {
  readonly socket: net.Socket;
  #bytes = Buffer.alloc(0);
  #happened = Promise.withResolvers<void>();

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    for (const event of ['readable', 'end', 'close']) socket.on(event, () => this.#happened.resolve());
  }

  /** Connects and shakes hands; `after` is sent in the same piece. */
  static async open(
    port: number,
    after: Uint8Array = Buffer.alloc(0),
    headers: Readonly<Record<string, string>> = {},
  ): Promise<RawSocket> {
    const raw = new RawSocket(net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
    raw.socket.write(Buffer.concat([Buffer.from(handshake(headers)), after]));
    const head = await raw.#readHead();
    if (!head.startsWith('HTTP/1.1 101 ')) throw new Error(`No handshake: ${head}`);
    return raw;
  }

  write(...pieces: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(pieces));
  }

  /** The next frame; null when the connection is over. */
  async next(): Promise<ReceivedFrame | null> {
    for (;;) {
      const frame = this.#takeFrame();
      if (frame !== null) return frame;
      if (!(await this.#readMore())) return null;
    }
  }

  /** The next frame that carries a message or ends the socket. */
  async nextData(): Promise<ReceivedFrame | null> {
    for (;;) {
      const frame = await this.next();
      if (frame === null || frame.opcode === OPCODE.text || frame.opcode === OPCODE.close) return frame;
    }
  }

  /** The code that the server closes with, after whatever comes before; null when it cut the connection instead. */
  async closeCode(): Promise<number | null> {
    for (;;) {
      const frame = await this.next();
      if (frame === null) return null;
      if (frame.opcode === OPCODE.close) return frame.payload.readUInt16BE(0);
    }
  }

  /** Resolves when the connection is over, and throws away what is left. */
  async closed(): Promise<void> {
    while (await this.#readMore()) this.#bytes = Buffer.alloc(0);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  async #readHead(): Promise<string> {
    let end = -1;
    while (end < 0) {
      if (!(await this.#readMore())) throw new Error('The connection closed in the handshake.');
      end = this.#bytes.indexOf('\r\n\r\n');
    }
    const head = this.#bytes.subarray(0, end).toString('latin1');
    this.#bytes = this.#bytes.subarray(end + 4);
    return head;
  }

  async #readMore(): Promise<boolean> {
    for (;;) {
      const chunk = this.socket.read() as Buffer | null;
      if (chunk !== null) {
        this.#bytes = Buffer.concat([this.#bytes, chunk]);
        return true;
      }
      if (this.socket.destroyed || this.socket.readableEnded) return false;
      await this.#happened.promise;
      this.#happened = Promise.withResolvers();
    }
  }

  #takeFrame(): ReceivedFrame | null {
    const bytes = this.#bytes;
    if (bytes.length < 2) return null;
    const short = bytes.readUInt8(1);
    const start = short === 127 ? 10 : short === 126 ? 4 : 2;
    if (bytes.length < start) return null;
    const length =
      short === 127 ? Number(bytes.readBigUInt64BE(2)) : short === 126 ? bytes.readUInt16BE(2) : short;
    if (bytes.length < start + length) return null;
    this.#bytes = bytes.subarray(start + length);
    return { opcode: bytes.readUInt8(0) & 0x0f, payload: bytes.subarray(start, start + length) };
  }
}
