import { curveKeyPair, Reply } from 'zeromq';
import { ZEST_FRAME_BYTES_MAX } from '../../src/arbiter/zest.ts';

/** The key pair of a CURVE server, in Z85. */
export type CurveKeys = ReturnType<typeof curveKeyPair>;

export interface ArbiterServerParts {
  /** Answers a frame. The next one is taken up after it, as the original does. */
  readonly answer: (frame: Uint8Array) => Uint8Array | Promise<Uint8Array>;
  readonly keys: CurveKeys;
  /** Hears of each client, once it has shaken hands. */
  readonly onConnected?: () => void;
  /** Default: a free port of this machine. */
  readonly endpoint?: string;
}

const FREE_PORT = 'tcp://127.0.0.1:*';

export function makeCurveKeys(): CurveKeys {
  return curveKeyPair();
}

/** An arbiter's socket: ZeroMQ REP with CURVE, which lets every client key in. */
export class ArbiterServer implements AsyncDisposable {
  readonly endpoint: string;
  readonly #socket: Reply;
  readonly #answer: ArbiterServerParts['answer'];
  readonly #stopped = Promise.withResolvers<null>();
  readonly #closed: Promise<void>;

  /** @throws Error when the endpoint is taken */
  static async start(parts: ArbiterServerParts): Promise<ArbiterServer> {
    const { answer, keys, onConnected = () => {}, endpoint = FREE_PORT } = parts;
    const socket = new Reply({
      curveServer: true,
      curveSecretKey: keys.secretKey,
      linger: 0,
      maxMessageSize: ZEST_FRAME_BYTES_MAX,
    });
    socket.events.on('handshake', onConnected);
    try {
      await socket.bind(endpoint);
      return new ArbiterServer(socket, answer);
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  private constructor(socket: Reply, answer: ArbiterServerParts['answer']) {
    this.#socket = socket;
    this.#answer = answer;
    this.endpoint = socket.lastEndpoint ?? '';
    // The socket is closed in the background. The end of its events tells that the port is free again.
    this.#closed = new Promise((resolve) => {
      socket.events.on('end', () => resolve());
    });
    void this.#serve();
  }

  /** Stops in the middle of whatever it does; resolves when the port is free again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.resolve(null);
    this.#socket.close();
    await this.#closed;
  }

  async #serve(): Promise<void> {
    for await (const [frame = Buffer.of()] of this.#socket) {
      const answer = await Promise.race([this.#answer(frame), this.#stopped.promise]);
      if (answer === null) return;
      await this.#socket.send(Buffer.from(answer));
    }
  }
}
