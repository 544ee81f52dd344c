/** Why a token is asked for. */
export interface TokenRequest {
  /** The token that the service has refused just now; null at the first time. A new one is wanted then. */
  refused: string | null;
}

/**
 * The app's token (a macaroon), or where to get it. A function is asked once, and again when the service has refused
 * what it gave (HTTP 401): whoever keeps tokens must not answer with the refused one. It may ask the box's arbiter.
 */
export type TokenSource = string | ((request: TokenRequest) => string | Promise<string>);

/** Visible ASCII and blanks: what a header can carry. */
const TOKEN = /^[\x20-\x7e]+$/;

/** Holds the token in use. However many requests want one at a time, the source is asked once. */
export class TokenHolder {
  readonly #ask: (request: TokenRequest) => Promise<string>;
  readonly #isFixed: boolean;
  #current: Promise<string> | null = null;

  constructor(source: TokenSource) {
    this.#isFixed = typeof source === 'string';
    this.#ask = async (request) => checked(typeof source === 'string' ? source : await source(request));
  }

  /**
   * The token to send.
   *
   * @throws TypeError when it is none, and whatever the source throws; the next request asks again then
   */
  get(): Promise<string> {
    this.#current ??= this.#fetch(null);
    return this.#current;
  }

  /** Another token than the refused one; null when there is none to be had. */
  async renew(refused: string): Promise<string | null> {
    if (this.#isFixed) return null;
    // Others may have been refused together with us, and have renewed it already.
    if ((await this.get()) === refused) this.#current = this.#fetch(refused);
    const token = await this.get();
    return token === refused ? null : token;
  }

  #fetch(refused: string | null): Promise<string> {
    const asked = this.#ask({ refused });
    asked.catch(() => {
      if (this.#current === asked) this.#current = null;
    });
    return asked;
  }
}

/** Checked here because `fetch` would put the token into its own error message. */
function checked(token: unknown): string {
  const trimmed = typeof token === 'string' ? token.trim() : '';
  if (!TOKEN.test(trimmed)) {
    throw new TypeError('The token must be a non-empty string of ASCII characters.');
  }
  return trimmed;
}
