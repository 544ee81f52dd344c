import { table } from '../config/page.ts';
import { systemClock } from '../export/clock.ts';
import { Metrics } from './metrics.ts';

/** What prom-client knows of a metric. */
interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

const INTRODUCTION = `# Metrics

<!-- Written by \`npm run docs\` from src/telemetry: change it there. -->

What \`GET /metrics\` says, in the text format of Prometheus. It asks for no token: no label names an app, a destination or an
export. The page is at most a second old, and reading it makes no export wait. What happens is counted from the start of the
process. [Monitor it](operating.md#monitor-it) tells which of these matter when.
`;

/** The text of docs/metrics.md. `npm run docs` writes it, a test compares. */
export function metricsPage(refusalCodes: readonly string[]): string {
  using metrics = new Metrics({ clock: systemClock, refusalCodes });
  const described = metrics.registry.getMetricsAsArray() as unknown as Described[];
  const rows = described
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, help, type, labelNames }) => [
      `\`${name}\``,
      type,
      labelNames
        .filter((label) => label !== 'le')
        .map((label) => `\`${label}\``)
        .join(', '),
      `${help}.`,
    ]);
  return `${INTRODUCTION}\n${table([['metric', 'type', 'labels', 'what it says'], ...rows])}`;
}
