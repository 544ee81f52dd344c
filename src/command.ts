/** What a command reads from and writes to; `process` is one. Tests pass their own. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array | string> & {
    readonly isTTY?: boolean;
    /** Ends a reading that nobody waits for any more. */
    destroy?(): unknown;
  };
  /** Results. */
  readonly stdout: Output;
  /** Logs, progress, warnings, errors. */
  readonly stderr: Output;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  /** Characters in a line, on a terminal. */
  readonly columns?: number;
}

/** How a command ended, as the shell sees it. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
