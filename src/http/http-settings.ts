/** What the settings say about requests. */
export interface HttpSettings {
  /** Largest request body. */
  readonly bodyBytesMax: number;
  /** Ceiling of `timeout` and of `Prefer: wait`. */
  readonly longPollMaxMs: number;
  /** Ceiling of `attempts_max`, and what counts when it is left out. */
  readonly attemptsMax: number;
}
