import { setImmediate } from 'node:timers/promises';

const TURNS = 100;

/** Lets what the system has ready for us already arrive, such as events of a socket whose peer has seen the next step. */
export async function eventLoopTurns(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await setImmediate();
}
