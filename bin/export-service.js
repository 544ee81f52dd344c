#!/usr/bin/env node
// Plain JavaScript, and nothing newer than what Node 20 reads: it must get far enough to say what is missing.
import { existsSync } from 'node:fs';

const NODE_MAJOR_MIN = 24;

const source = new URL('../src/main.ts', import.meta.url);
const isCheckout = existsSync(source);

if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
  const remedy = isCheckout
    ? '`npm ci` brings Node 26 into this checkout, then use `npx export-service`'
    : '`npm install node@26` next to it, then use `npx export-service`';
  process.stderr.write(
    `export-service: this is Node ${process.versions.node}, and Node ${NODE_MAJOR_MIN} or newer is needed: ${remedy}\n`,
  );
  process.exitCode = 1;
} else {
  // Whoever reads us may have read enough: `export-service --help | head -1`.
  process.stdout.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
  const built = new URL('../dist/src/main.js', import.meta.url);
  import((isCheckout ? source : built).href)
    .then(({ main }) => main(process.argv.slice(2), process.env))
    .then((code) => {
      process.exitCode = code;
    });
}
