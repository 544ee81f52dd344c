import { Client, type Dispatcher } from 'undici';

/** The payload of every bench: 1 KiB of JSON text. */
export const DATA = `"${'x'.repeat(1_022)}"`;

/** One connection that posts one request after the other. */
export class Poster {
  readonly #client: Client;

  constructor(url: string) {
    this.#client = new Client(url, {
      pipelining: 1,
      keepAliveTimeout: 600_000,
      headersTimeout: 0,
      bodyTimeout: 0,
    });
  }

  /** @returns the answer's body */
  post(path: string, headers: Record<string, string>, body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      let status = 0;
      let text = '';
      const handler: Dispatcher.DispatchHandler = {
        onRequestStart() {},
        onResponseStart(_controller, statusCode) {
          status = statusCode;
        },
        onResponseData(_controller, chunk) {
          text += chunk.toString('latin1');
        },
        onResponseEnd() {
          if (status === 200) resolve(text);
          else reject(new Error(`answered ${status}: ${text}`));
        },
        onResponseError(_controller, error) {
          reject(error);
        },
      };
      this.#client.dispatch({ method: 'POST', path, headers, body }, handler);
    });
  }

  close(): Promise<void> {
    return this.#client.destroy();
  }
}
