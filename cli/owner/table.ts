import type { Output } from '../../src/command.ts';
import type { Env } from '../../src/config.ts';
import { type Format, Paint, printable } from '../terminal.ts';

/** A column of a table of `Item`s. */
export interface Column<Item> {
  readonly title: string;
  /** For people, on a terminal. */
  readonly text: (item: Item) => string;
  /** For programs; left out, the text. */
  readonly raw?: (item: Item) => string;
  readonly format?: (item: Item) => Format | null;
  /** Which columns give way where the line is too long: those with the largest number first. Left out, never. */
  readonly yields?: number;
  readonly isNumber?: boolean;
  /** On a terminal it is not there. */
  readonly isForPrograms?: boolean;
}

const COLUMNS_DEFAULT = 100;
const GAP = '  ';
/** What a column that gives way keeps. */
const WIDTH_MIN = 12;
const ELLIPSIS = '…';

/**
 * On a terminal, aligned columns under their titles that fit its width. Elsewhere what programs read: a line for each
 * item, its values whole and with tabs between, and no titles.
 */
export function renderTable<Item>(
  columns: readonly Column<Item>[],
  items: readonly Item[],
  output: Output,
  env: Env,
): string {
  if (output.isTTY === true) return alignedTable(columns, items, output, env);
  const line = (item: Item): string =>
    columns.map(({ raw, text }) => printable((raw ?? text)(item))).join('\t');
  return items.map((item) => `${line(item)}\n`).join('');
}

/** Aligned columns, also where no terminal is: then as wide as they need. */
export function alignedTable<Item>(
  columns: readonly Column<Item>[],
  items: readonly Item[],
  output: Output,
  env: Env,
): string {
  const shown = columns.filter(({ isForPrograms }) => isForPrograms !== true);
  const paint = new Paint(output, env);
  const rows = items.map((item) => shown.map(({ text }) => printable(text(item))));
  const titles = shown.map(({ title }) => title);
  const natural = titles.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => row[index]?.length ?? 0)),
  );
  const widths = fit(natural, shown, output.isTTY === true ? output.columns || COLUMNS_DEFAULT : Infinity);
  const line = (cells: readonly string[], formatOf: (column: Column<Item>) => Format | null): string => {
    const painted = shown.map((column, index) => {
      const cell = pad(cells[index] ?? '', widths[index] ?? 0, column, index === shown.length - 1);
      const format = formatOf(column);
      return format === null ? cell : paint.paint(format, cell);
    });
    return `${painted.join(GAP)}\n`;
  };
  const lines = rows.map((row, at) => line(row, ({ format }) => format?.(items[at] as Item) ?? null));
  return [line(titles, () => 'dim'), ...lines].join('');
}

/** Takes from the columns that give way, one after the other, until the line fits or they have nothing more to give. */
function fit<Item>(
  natural: readonly number[],
  columns: readonly Column<Item>[],
  lineWidth: number,
): number[] {
  const widths = [...natural];
  const order = columns
    .map(({ yields }, index) => ({ index, yields: yields ?? 0 }))
    .filter(({ yields }) => yields > 0)
    .sort((a, b) => b.yields - a.yields);
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (columns.length - 1) - lineWidth;
  for (const { index } of order) {
    const width = widths[index] ?? 0;
    const given = Math.min(Math.max(excess, 0), Math.max(width - WIDTH_MIN, 0));
    widths[index] = width - given;
    excess -= given;
  }
  return widths;
}

function pad(text: string, width: number, { isNumber }: { isNumber?: boolean }, isLast: boolean): string {
  const cut = text.length > width ? `${text.slice(0, Math.max(width - 1, 0))}${ELLIPSIS}` : text;
  if (isNumber) return cut.padStart(width);
  return isLast ? cut : cut.padEnd(width);
}
