import type { IncomingMessage } from 'node:http';
import { BoundedBytes } from '../bounded-bytes.ts';
import { ExportError } from '../export/errors.ts';

export interface UploadLimits {
  /** Largest body. */
  readonly bodyBytesMax: number;
  /** All bodies together that are in memory: those that arrive, and those that are being judged and stored. */
  readonly uploadsBytesMax: number;
}

const RETRY_AFTER_SECONDS = 5;

/** A body in memory, or another thing that came from outside and counts like one. */
interface Upload {
  bytes: number;
  /** Ends it as refused; null once it has arrived. */
  refuse: ((error: ExportError) => void) | null;
}

/** Something else than a body that counts with the bodies; see {@link Uploads.count}. */
export interface Counted extends Disposable {
  /** It takes so many bytes now. */
  set(bytes: number): void;
}

/**
 * Reads bodies, and keeps what they take of memory within a bound. Whoever has a token may open every connection there is
 * and upload on all of them, slowly: 15,000 times a megabyte. When it gets too much, the largest that has not arrived is
 * refused: who sends little and quickly does not feel it.
 */
export class Uploads {
  readonly #limits: UploadLimits;
  readonly #uploads = new Map<object, Upload>();
  #bytesHeld = 0;

  constructor(limits: UploadLimits) {
    this.#limits = limits;
  }

  /** Of all bodies that are in memory. */
  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  /**
   * Reads a body to its end. It counts until it is released, by what it takes of memory.
   *
   * @param bodyBytesMax the most of this one
   * @throws ExportError `payload_too_large`, `rate_limited`, or `invalid_request` when it broke off
   */
  read(request: IncomingMessage, bodyBytesMax: number = this.#limits.bodyBytesMax): Promise<Buffer> {
    if (Number(request.headers['content-length'] ?? 0) > bodyBytesMax)
      return Promise.reject(tooLarge(bodyBytesMax));
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    // Gone at the end, whatever that is: the listeners live as long as the connection.
    let body: BoundedBytes | null = new BoundedBytes(bodyBytesMax);
    const take = (chunk: Buffer): void => {
      if (body === null) return;
      const isWhole = body.append(chunk);
      this.#grow(upload, body.capacity);
      if (!isWhole) upload.refuse?.(tooLarge(bodyBytesMax));
    };
    const breakOff = (): void => upload.refuse?.(brokenOff());
    const upload: Upload = {
      bytes: 0,
      refuse: (error) => {
        request.off('data', take);
        body = null;
        upload.refuse = null;
        this.release(request);
        reject(error);
      },
    };
    this.#uploads.set(request, upload);
    request.on('data', take).once('error', breakOff).once('close', breakOff);
    request.once('end', () => {
      if (upload.refuse === null || body === null) return;
      upload.refuse = null;
      resolve(body.bytes());
      body = null;
    });
    return promise;
  }

  /** The body is in memory no longer. Harmless when repeated. */
  release(request: IncomingMessage): void {
    this.#release(request);
  }

  /**
   * Counts what is not a body: what came in over a WebSocket. Until it is disposed.
   *
   * @param refuse is called when it is the largest and all together are too much; it counts no more then. Null for what
   *   has arrived and is done with in a moment
   */
  count(refuse: (() => void) | null): Counted {
    const key = {};
    const end = (): void => this.#release(key);
    const upload: Upload = {
      bytes: 0,
      refuse:
        refuse &&
        (() => {
          upload.refuse = null;
          end();
          refuse();
        }),
    };
    this.#uploads.set(key, upload);
    return {
      set: (bytes) => {
        if (this.#uploads.has(key)) this.#grow(upload, bytes);
      },
      [Symbol.dispose]: end,
    };
  }

  #release(key: object): void {
    this.#bytesHeld -= this.#uploads.get(key)?.bytes ?? 0;
    this.#uploads.delete(key);
  }

  /** It takes so many bytes from now on. */
  #grow(upload: Upload, bytes: number): void {
    const more = bytes - upload.bytes;
    upload.bytes = bytes;
    this.#bytesHeld += more;
    if (more > 0) this.#makeRoom();
  }

  #makeRoom(): void {
    while (this.#bytesHeld > this.#limits.uploadsBytesMax) {
      const largest = this.#largestArriving();
      // What has arrived is stored and gone in a moment.
      if (largest === null) return;
      largest.refuse?.(tooMuchAtOnce());
    }
  }

  #largestArriving(): Upload | null {
    let largest: Upload | null = null;
    for (const upload of this.#uploads.values()) {
      if (upload.refuse !== null && upload.bytes > (largest?.bytes ?? 0)) largest = upload;
    }
    return largest;
  }
}

function tooLarge(bodyBytesMax: number): ExportError {
  return new ExportError(
    'payload_too_large',
    `The body has more than ${bodyBytesMax} bytes. Send less at once.`,
  );
}

function tooMuchAtOnce(): ExportError {
  return new ExportError(
    'rate_limited',
    'Too much is uploaded at once, and this is the largest that has not arrived. Nothing was queued; send it again later.',
    { retryAfterSeconds: RETRY_AFTER_SECONDS },
  );
}

function brokenOff(): ExportError {
  return new ExportError('invalid_request', 'The body did not arrive as a whole.');
}
