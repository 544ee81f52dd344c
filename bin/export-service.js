#!/usr/bin/env node
// Plain JavaScript, and nothing newer than what Node 20 reads: it must get far enough to say what is missing.
import { existsSync } from 'node:fs';

// From here on a server can say which requests become WebSockets (`shouldUpgradeCallback`).
const NODE_MIN = { major: 24, minor: 9 };

const source = new URL('../src/main.ts', import.meta.url);
const isCheckout = existsSync(source);

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < NODE_MIN.major || (major === NODE_MIN.major && minor < NODE_MIN.minor)) {
  const remedy = isCheckout
    ? '`npm ci` brings Node 26 into this checkout, then use `npx export-service`'
    : '`npm install node@26` next to it, then use `npx export-service`';
  process.stderr.write(
    `export-service: this is Node ${process.versions.node}, and Node ${NODE_MIN.major}.${NODE_MIN.minor} or newer is needed: ${remedy}\n`,
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
