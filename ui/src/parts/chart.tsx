import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { format } from '../texts/texts.ts';

export interface Bar {
  /** The first instant of its day. */
  readonly day: number;
  readonly arrived: number;
  /** Everything else. */
  readonly others: number;
}

export interface ChartProps {
  /** The oldest first. */
  readonly bars: readonly Bar[];
  readonly write: (value: number) => string;
  /** What it shows, in words. */
  readonly label: string;
}

const HEIGHT = 180;
const AXIS_WIDTH = 58;
const AXIS_HEIGHT = 28;
/** Above the highest bar. */
const HEADROOM = 1.08;
const DAY_GAP = 54;

/** A bar for each day; what did not arrive stands on what did. Drawn anew when the size or the colours change. */
export default function Chart({ bars, write, label }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    let plot: uPlot | null = null;
    const draw = (): void => {
      plot?.destroy();
      plot = new uPlot(options(element, bars, write), data(bars), element);
    };
    draw();
    const resize = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height: HEIGHT }));
    resize.observe(element);
    const colours = matchMedia('(prefers-color-scheme: dark)');
    colours.addEventListener('change', draw);
    return () => {
      resize.disconnect();
      colours.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [bars, write]);
  return <div ref={place} class="chart" role="img" aria-label={label} />;
}

/** By place, not by time: a day is as wide where clocks change. */
function data(bars: readonly Bar[]): uPlot.AlignedData {
  return [
    bars.map((_, at) => at),
    bars.map(({ arrived, others }) => arrived + others),
    bars.map(({ arrived }) => arrived),
  ];
}

function options(
  element: HTMLElement,
  bars: readonly Bar[],
  write: (value: number) => string,
): uPlot.Options {
  const colour = (name: string): string => getComputedStyle(element).getPropertyValue(name);
  const paths = uPlot.paths.bars?.({ size: [0.7, 28], radius: 0.2 });
  const font = `12px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: colour('--ink-soft'), font, ticks: { show: false } };
  const series = (name: string) => ({
    fill: colour(name),
    width: 0,
    points: { show: false },
    ...(paths && { paths }),
  });
  return {
    width: element.clientWidth,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: {
      x: { time: false, range: [-0.6, bars.length - 0.4] },
      y: { range: (_plot, _min, max) => [0, (max || 1) * HEADROOM] },
    },
    axes: [
      {
        ...axis,
        size: AXIS_HEIGHT,
        grid: { show: false },
        space: DAY_GAP,
        incrs: [1, 2, 7, 14],
        values: (_plot, places) => places.map((at) => (bars[at] ? format.day(bars[at].day) : '')),
      },
      {
        ...axis,
        size: AXIS_WIDTH,
        grid: { stroke: colour('--line'), width: 1 },
        values: (_plot, values) => values.map((value) => (Number.isInteger(value) ? write(value) : '')),
      },
    ],
    series: [{}, series('--bar-other'), series('--bar')],
  };
}
