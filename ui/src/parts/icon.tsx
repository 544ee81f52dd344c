/** Drawn in a square of 24; lines take the colour of the text. */
const PATHS = {
  box: 'M3 8l9-5 9 5v8l-9 5-9-5zM3 8l9 5 9-5M12 13v8',
  overview: 'M4 12l8-8 8 8M6 10v10h12V10',
  exports: 'M4 6h16M4 12h16M4 18h10',
  rules: 'M12 3l8 3v6c0 4.5-3.2 7.8-8 9-4.8-1.2-8-4.5-8-9V6zM9 12l2 2 4-4',
  ledger: 'M6 3h10l3 3v15H6zM9 9h7M9 13h7M9 17h4',
  leave: 'M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9',
  offline: 'M4 4l16 16M8.5 15.5a5 5 0 0 1 7 0M5 12a10 10 0 0 1 4-2.4M19 12a10 10 0 0 0-5-2.8M12 19h.01',
  pause: 'M8 5v14M16 5v14',
  play: 'M7 5l12 7-12 7z',
  block: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM5.6 5.6l12.8 12.8',
  limit: 'M4 17a8 8 0 1 1 16 0M12 17l4-5',
  good: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 12l3 3 5-6',
  warn: 'M12 4l9 16H3zM12 10v4M12 17h.01',
  bad: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM9 9l6 6M15 9l-6 6',
  calm: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 2',
  arrow: 'M5 12h14M13 6l6 6-6 6',
  close: 'M6 6l12 12M18 6L6 18',
  search: 'M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM16 16l4 4',
  download: 'M12 4v11M7 10l5 5 5-5M5 20h14',
  back: 'M19 12H5M11 6l-6 6 6 6',
  again: 'M19 8a8 8 0 1 0 1 6M19 3v5h-5',
} as const;

export type IconName = keyof typeof PATHS;

/** Says nothing by itself: the words beside it do. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}
