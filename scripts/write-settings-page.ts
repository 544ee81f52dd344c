/** Writes docs/settings.md from the table of settings. */
import { writeFile } from 'node:fs/promises';
import { settingsPage } from '../src/config/page.ts';

await writeFile(new URL('../docs/settings.md', import.meta.url), settingsPage());
