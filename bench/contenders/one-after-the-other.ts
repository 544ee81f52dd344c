/** Posts to a destination one after the other, with undici: what a lane with concurrency 1 is measured against. */
import { Client } from 'undici';

const BODY = `"${'x'.repeat(1_022)}"`;

process.on('message', async ({ url, count }: { url: string; count: number }) => {
  const { origin, pathname } = new URL(url);
  const client = new Client(origin, { pipelining: 1 });
  const startedAt = performance.now();
  for (let n = 0; n < count; n += 1) {
    const { body } = await client.request({
      method: 'POST',
      path: pathname,
      headers: { 'content-type': 'application/json' },
      body: BODY,
    });
    await body.text();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  await client.close();
  process.send?.({ seconds });
});
process.on('disconnect', () => process.exit(0));
process.send?.({});
