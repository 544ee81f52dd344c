/** Longest token text that is read, in bytes of UTF-8: everything below is linear in it. */
export const TOKEN_BYTES_MAX = 8192;

/** Most caveats a token may have: each costs an HMAC under every key that is tried. */
export const CAVEATS_MAX = 256;

/** Longest v1 packet: its length is written in four hex digits. (A readable token holds none this long.) */
export const PACKET_BYTES_MAX = 0xffff;

/** An HMAC-SHA256. */
export const SIGNATURE_BYTES = 32;
