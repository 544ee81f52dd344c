import { signal } from '@preact/signals';

const TICK_MS = 10_000;

/** The present time for what is told relative to it; it moves every ten seconds while somebody looks. */
export const now = signal(Date.now());

setInterval(() => tick(), TICK_MS);
document.addEventListener('visibilitychange', () => tick());

function tick(): void {
  if (document.visibilityState === 'visible') now.value = Date.now();
}
