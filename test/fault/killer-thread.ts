import { workerData } from 'node:worker_threads';
import { type Fuse, isBurning, NOT_BURNING, now } from './fuse.ts';

/** Waits beside a thread that is busy in SQLite, and kills the process when the fuse it lit has burnt down. */
const fuse = workerData as Fuse;
Atomics.store(fuse.ready, 0, 1);
Atomics.notify(fuse.ready, 0);
for (;;) {
  Atomics.wait(fuse.burning, 0, NOT_BURNING);
  while (isBurning(fuse) && now() < (fuse.endsAt[0] ?? 0));
  // Put out in time: what was to be interrupted is over.
  if (isBurning(fuse)) process.kill(process.pid, 'SIGKILL');
}
