import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';

const UI = fileURLToPath(new URL('.', import.meta.url));

/**
 * The page verifies with the very code of `src/ledger`. One module of it is Node's: the hash. Here the page's own stands in
 * its place.
 */
function ownHash(): Plugin {
  const nodeModule = fileURLToPath(new URL('../src/ledger/sha256.ts', import.meta.url));
  const ours = fileURLToPath(new URL('./src/ledger/sha256.ts', import.meta.url));
  return {
    name: 'own-hash',
    enforce: 'pre',
    async resolveId(source, importer, options) {
      if (!source.endsWith('/sha256.ts')) return null;
      const found = await this.resolve(source, importer, { ...options, skipSelf: true });
      return found?.id === nodeModule ? ours : found;
    },
  };
}

export default defineConfig({
  root: UI,
  // The page may be served under a path of a proxy.
  base: './',
  plugins: [ownHash()],
  worker: { format: 'es', plugins: () => [ownHash()] },
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    // A file of its own for everything: the policy allows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    cssMinify: true,
    reportCompressedSize: true,
  },
});
