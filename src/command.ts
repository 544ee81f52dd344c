/** What a command reads from and writes to; `process` is one. Tests pass their own. */
export interface CommandIo {
  readonly stdin: AsyncIterable<Uint8Array | string> & { readonly isTTY?: boolean };
  /** Results. */
  readonly stdout: Output;
  /** Logs, progress, warnings, errors. */
  readonly stderr: Output;
}

export interface Output {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** How a command ended, as the shell sees it. */
export const EXIT = { done: 0, failed: 1, usage: 2 } as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];
