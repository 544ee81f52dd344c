import { cpSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';

const EXAMPLES = fileURLToPath(new URL('../examples', import.meta.url));

/** The site of these pages: `npm run docs:site`. Each is readable as plain Markdown too; nothing here is needed for that. */
export default defineConfig({
  title: 'Databox export service',
  description: 'The door out of a Databox: what it is, how to use it, how to run it',
  outDir: '../dist-site',
  cleanUrls: false,
  lastUpdated: false,
  // What lies beside the pages (the client, the tests, the licence) is not on the site.
  ignoreDeadLinks: [/^(?:\.\/)?\.\.\//, /^\.\/examples\//, /^https?:\/\/127\.0\.0\.1/],
  // The examples are files to read and to run, not pages.
  buildEnd: ({ outDir }) => cpSync(EXAMPLES, `${outDir}/examples`, { recursive: true }),
  // Nothing is asked of anybody else: no fonts, no search service.
  themeConfig: {
    search: { provider: 'local' },
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Write an app', link: '/apps' },
      { text: 'Receive exports', link: '/receivers' },
      { text: 'Run it', link: '/operating' },
    ],
    sidebar: [
      {
        text: 'Use it',
        items: [
          { text: 'Start in five minutes', link: '/start' },
          { text: 'Write an app', link: '/apps' },
          { text: 'Over a WebSocket', link: '/websocket' },
          { text: 'Receive exports', link: '/receivers' },
        ],
      },
      {
        text: 'Run it',
        items: [
          { text: 'Files, backup, upgrade, tuning', link: '/operating' },
          { text: 'In a Databox', link: '/databox' },
          { text: 'The arbiter', link: '/arbiter' },
        ],
      },
      {
        text: 'Reference',
        items: [
          { text: 'Settings', link: '/settings' },
          { text: 'Metrics', link: '/metrics' },
          { text: 'Commands', link: '/commands' },
          { text: 'Errors', link: '/errors' },
        ],
      },
      {
        text: 'How it works',
        items: [
          { text: 'Architecture', link: '/ARCHITECTURE' },
          { text: 'The life of an export', link: '/state-machine' },
          { text: 'The ledger', link: '/ledger' },
          { text: 'What the owner decides', link: '/owner' },
          { text: "The owner's page", link: '/owner-page' },
          { text: 'Privacy', link: '/privacy' },
          { text: 'Reliability, with evidence', link: '/reliability' },
          { text: 'Security', link: '/security' },
          { text: 'Threat model', link: '/threat-model' },
        ],
      },
    ],
  },
});
