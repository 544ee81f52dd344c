/** Writes docs/metrics.md from the metrics that there are. */
import { writeFile } from 'node:fs/promises';
import { PROBLEM_KINDS } from '../src/http/problem.ts';
import { metricsPage } from '../src/telemetry/metrics-page.ts';

await writeFile(new URL('../docs/metrics.md', import.meta.url), metricsPage(Object.keys(PROBLEM_KINDS)));
