/** Writes docs/errors.md from the table of errors. */
import { writeFile } from 'node:fs/promises';
import { errorsPage } from '../src/http/openapi/errors-page.ts';

await writeFile(new URL('../docs/errors.md', import.meta.url), errorsPage());
