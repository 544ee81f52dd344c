import type { FastifyInstance } from 'fastify';
import { problemAnswer } from './problem.ts';
import { sendBytes, sendState, sendText } from './reply.ts';

/** Whether the service can do its work, and if not, why. */
export type Readiness =
  | { readonly isReady: true }
  | {
      readonly isReady: false;
      readonly code: 'no_root_key' | 'store_unavailable' | 'shutting_down';
      readonly detail: string;
    };

/** What Prometheus reads. */
export type MetricsPage = () => Promise<{ readonly contentType: string; readonly text: string }>;

/** The routes that tell how the service is. They ask for no token and tell nothing about any one export. */
export function addProbes(
  app: FastifyInstance,
  readiness: () => Promise<Readiness>,
  metrics?: MetricsPage,
): void {
  // What every Databox component answers.
  app.get('/status', (_request, reply) => sendText(reply, 'active'));
  app.get('/healthz', (_request, reply) => sendText(reply, 'ok'));
  app.get('/readyz', async (_request, reply) => {
    const state = await readiness();
    if (state.isReady) return sendText(reply, 'ready');
    return sendState(reply, problemAnswer(state.code, state.detail));
  });
  if (metrics === undefined) return;
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await metrics();
    return sendBytes(reply, contentType, Buffer.from(text));
  });
}
