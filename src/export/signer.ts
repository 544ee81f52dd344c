/** What a signature covers: a receiver can tell that all of it is from this box, unchanged. */
export interface SignedMessage {
  /** The export's id: the same over all attempts. */
  readonly id: string;
  /** When this attempt is made, in whole seconds since 1970. */
  readonly timestampSeconds: number;
  /** The very bytes that leave. */
  readonly body: Uint8Array;
}

/** Signs what leaves. */
export interface Signer {
  /** One signature for each key that receivers may know, in the form of `webhook-signature`; never empty. */
  sign(message: SignedMessage): Promise<string>;
}

/** The public half of a key that signatures are made with now. */
export interface PublicSigningKey {
  /** Names the key; follows from it (RFC 7638). */
  readonly id: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Wall clock. */
  readonly madeAt: number;
  /** When nothing is signed with it any more, in wall-clock time; null for the newest, which has no such end. */
  readonly validUntil: number | null;
}
