import { readFileSync } from 'node:fs';

/** A program that the API page shows; Redoc and others know the shape. */
export interface CodeSample {
  readonly lang: string;
  readonly label: string;
  readonly source: string;
}

/** In the order of the API page. */
const LANGUAGES = [
  { lang: 'Shell', label: 'curl', extension: 'sh' },
  { lang: 'TypeScript', label: 'TypeScript', extension: 'ts' },
  { lang: 'Go', label: 'Go', extension: 'go' },
  { lang: 'Python', label: 'Python', extension: 'py' },
] as const;

/** Right in a checkout, and in the package, where the build puts a copy beside the compiled code. */
const FOLDER = new URL('../../../docs/examples/', import.meta.url);

/** The example programs with this stem, one for each language. They run in the tests as they are. */
export function codeSamples(stem: string): CodeSample[] {
  return LANGUAGES.map(({ lang, label, extension }) => ({
    lang,
    label,
    source: readFileSync(new URL(`${stem}.${extension}`, FOLDER), 'utf8'),
  }));
}
