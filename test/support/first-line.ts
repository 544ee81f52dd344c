import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

/**
 * The first line that a process prints: a service says there where it listens, once it is ready.
 *
 * @param written what it had written when it ended instead, for the error
 * @throws Error when it ends before
 */
export async function firstLineOf(child: ChildProcess, written: () => string = () => ''): Promise<string> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const exited = once(child, 'exit').then(([code]) => {
    throw new Error(`The process ended with ${code}:\n${written()}`);
  });
  exited.catch(() => {});
  const [line] = (await Promise.race([once(lines, 'line'), exited])) as [string];
  return line;
}
