/**
 * What `npm ci` runs in a checkout when everything is installed: builds the owner's page. Plain JavaScript: without the
 * packages for development it is the machine's own Node that comes here, and then there is nothing to build with.
 */
import { existsSync } from 'node:fs';

if (existsSync(new URL('../node_modules/vite/package.json', import.meta.url))) {
  const { ensureUi } = await import('./ui-build.ts');
  ensureUi();
} else {
  process.stderr.write("The owner's page is not built: that takes the packages for development (npm ci).\n");
}
