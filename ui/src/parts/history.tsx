import type { ComponentType } from 'preact';
import { useEffect, useMemo, useState } from 'preact/hooks';
import { totalOf } from '../model/sums.ts';
import { days, shownDays } from '../state/box.ts';
import { counted, format, t } from '../texts/texts.ts';
import type { Bar, ChartProps } from './chart.tsx';
import { Loading } from './loaded.tsx';
import { Switch } from './switch.tsx';

type Measure = 'items' | 'size';

interface DayTotal {
  readonly day: number;
  readonly arrived: number;
  readonly others: number;
  readonly bytes: number;
}

/** What left on each of the past days: a chart for the eye, a sentence and a table for everybody. */
export function History() {
  const [measure, setMeasure] = useState<Measure>('items');
  const totals = dayTotals();
  // A day that is not read yet is not a day on which nothing left.
  const isWhole = shownDays.value.every(({ start }) => days.value.has(start));
  const isNothing = totals.every(({ arrived, others }) => arrived + others === 0);
  const isEmpty = isWhole && isNothing;
  const measures = { items: t.overview.historyItems, size: t.overview.historySize };
  return (
    <section class="card history">
      <div class="card-head">
        <h2>{t.overview.history}</h2>
        {!isEmpty && (
          <Switch label={t.overview.historyLabel} value={measure} options={measures} onChoose={setMeasure} />
        )}
      </div>
      {isEmpty ? (
        <p class="empty">{t.overview.historyEmpty}</p>
      ) : (
        <Drawn totals={totals} measure={measure} isWhole={isWhole} />
      )}
    </section>
  );
}

interface DrawnProps {
  readonly totals: readonly DayTotal[];
  readonly measure: Measure;
  readonly isWhole: boolean;
}

function Drawn({ totals, measure, isWhole }: DrawnProps) {
  const Chart = useChart();
  // The chart is drawn when its numbers change, not whenever something else on the page does.
  const key = JSON.stringify(totals);
  const bars = useMemo(() => totals.map((total) => barOf(total, measure)), [key, measure]);
  const summary = isWhole ? summaryOf(bars, measure) : t.overview.historyReading;
  return (
    <>
      {Chart === null ? <Loading lines={1} /> : <Chart bars={bars} write={WRITE[measure]} label={summary} />}
      <ul class="legend" aria-hidden="true">
        <li class="arrived">{measure === 'items' ? t.overview.arrived : t.overview.amount}</li>
        {measure === 'items' && <li class="others">{t.overview.others}</li>}
      </ul>
      <p class="aside">{summary}</p>
      {isWhole && (
        <details>
          <summary>{t.overview.historyTable}</summary>
          <HistoryTable totals={totals} />
        </details>
      )}
    </>
  );
}

function HistoryTable({ totals }: { readonly totals: readonly DayTotal[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{t.overview.day}</th>
          <th scope="col">{t.overview.arrived}</th>
          <th scope="col">{t.overview.others}</th>
          <th scope="col">{t.overview.amount}</th>
        </tr>
      </thead>
      <tbody>
        {totals.toReversed().map(({ day, arrived, others, bytes }) => (
          <tr key={day}>
            <th scope="row">{format.longDay(day)}</th>
            <td>{format.count(arrived)}</td>
            <td>{format.count(others)}</td>
            <td>{format.size(bytes)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** The library is not needed for the first look. */
function useChart(): ComponentType<ChartProps> | null {
  const [chart, setChart] = useState<{ Chart: ComponentType<ChartProps> } | null>(null);
  useEffect(() => {
    let isGone = false;
    void import('./chart.tsx').then(({ default: Chart }) => {
      if (!isGone) setChart({ Chart });
    });
    return () => {
      isGone = true;
    };
  }, []);
  return chart?.Chart ?? null;
}

/** The oldest first; days that are not read yet are empty. */
function dayTotals(): DayTotal[] {
  return shownDays.value
    .map(({ start }) => {
      const { accepted, bytes, outcomes } = totalOf(days.value.get(start) ?? []);
      return { day: start, arrived: outcomes.delivered, others: accepted - outcomes.delivered, bytes };
    })
    .toReversed();
}

function barOf({ day, arrived, others, bytes }: DayTotal, measure: Measure): Bar {
  return measure === 'items' ? { day, arrived, others } : { day, arrived: bytes, others: 0 };
}

const WRITE = {
  items: (value: number) => format.count(value),
  size: (value: number) => format.size(value),
} as const;

function summaryOf(bars: readonly Bar[], measure: Measure): string {
  const write = measure === 'items' ? (n: number) => t.rules.items(counted(n)) : WRITE.size;
  const all = bars.reduce((sum, { arrived, others }) => sum + arrived + others, 0);
  const best = bars.reduce((most, bar) => (heightOf(bar) > heightOf(most) ? bar : most));
  return t.overview.historySummary({
    total: write(all),
    best: write(heightOf(best)),
    bestDay: format.longDay(best.day),
  });
}

function heightOf({ arrived, others }: Bar): number {
  return arrived + others;
}
