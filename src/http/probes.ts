import type { FastifyInstance } from 'fastify';
import { problemAnswer } from './problem.ts';
import { sendProblem, sendText } from './reply.ts';

/** Whether the service can do its work, and if not, why. */
export type Readiness =
  | { readonly isReady: true }
  | {
      readonly isReady: false;
      readonly code: 'no_root_key' | 'store_unavailable' | 'shutting_down';
      readonly detail: string;
    };

/** The routes that tell how the service is. They ask for no token and tell nothing about exports. */
export function addProbes(app: FastifyInstance, readiness: () => Promise<Readiness>): void {
  // What every Databox component answers.
  app.get('/status', (_request, reply) => sendText(reply, 'active'));
  app.get('/healthz', (_request, reply) => sendText(reply, 'ok'));
  app.get('/readyz', async (_request, reply) => {
    const state = await readiness();
    if (state.isReady) return sendText(reply, 'ready');
    return sendProblem(reply, problemAnswer(state.code, state.detail));
  });
}
