import type { Socket } from 'node:net';
import {
  answerText,
  type ReceivedRequest,
  startDestination,
  type TestDestination,
} from '../support/destinations/destination.ts';

/** A destination that takes everything and answers nobody, until it is opened: then it answers all, at once. */
export interface Valve extends AsyncDisposable {
  readonly destination: TestDestination;
  open(): void;
}

export async function startValve(onRequest: (request: ReceivedRequest) => void = () => {}): Promise<Valve> {
  const held: Socket[] = [];
  let isOpen = false;
  const answer = (socket: Socket): boolean => socket.write(answerText('200 OK', 'ok'));
  const destination = await startDestination({
    onRequest(socket, request) {
      onRequest(request);
      if (isOpen) answer(socket);
      else held.push(socket);
    },
  });
  return {
    destination,
    open() {
      isOpen = true;
      for (const socket of held.splice(0)) answer(socket);
    },
    [Symbol.asyncDispose]: () => destination.close(),
  };
}
