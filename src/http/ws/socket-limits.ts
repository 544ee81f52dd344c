/** How much one WebSocket, or all of them, may ask of the service. */
export interface SocketLimits {
  /** Frames of one socket that are being judged or stored. With so many, no more is read from it. */
  readonly framesUnderWayMax: number;
  /**
   * What waits on our side for a client to read it. Above either, nothing more is read from the client and nothing is
   * pushed to it; answers to frames that are under way still come on top.
   */
  readonly unreadBytesMax: number;
  readonly unreadMessagesMax: number;
  /** Unfinished exports whose later states are pushed: of one socket, and of all. */
  readonly watchedPerSocketMax: number;
  readonly watchedMax: number;
  /** How often each client is asked whether it is there. One that gives no sign from one time to the next is cut off. */
  readonly pingIntervalMs: number;
  /** How long a closing handshake may take. */
  readonly closeTimeoutMs: number;
}

export const SOCKET_LIMITS: SocketLimits = {
  // Enough for frames to share a commit; an answer may have hundreds of kilobytes.
  framesUnderWayMax: 16,
  unreadBytesMax: 64 * 1_024,
  unreadMessagesMax: 256,
  // About a kilobyte each.
  watchedPerSocketMax: 10_000,
  watchedMax: 100_000,
  // Below the minute after which routers and proxies forget a connection on which nothing happens.
  pingIntervalMs: 30_000,
  closeTimeoutMs: 10_000,
};
