/**
 * Takes a JSON value out of a body exactly as it was written, only without the blanks between its parts.
 *
 * `JSON.parse` and `JSON.stringify` would not do: numbers lose digits (`1.10`, `12345678901234567890`, `1e400`), keys
 * that look like integers change places, keys that come twice are lost, and deep nesting overflows the stack. So this
 * walks over the text, which `JSON.parse` has found valid before, and copies.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const SPACE = 0x20;

/** A part of the text, `end` excluded. */
interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The member `name` of the object that `json` holds, or of each object in the array that it holds, as compact JSON
 * text; null where there is none. Of a member that comes twice the last counts, as with `JSON.parse`.
 *
 * @param json valid JSON text
 */
export function memberTexts(json: string, name: string): (string | null)[] {
  const start = skipBlanks(json, 0);
  if (json.charCodeAt(start) !== OPEN_BRACKET) return [memberText(json, start, name).text];
  const texts: (string | null)[] = [];
  let at = skipBlanks(json, start + 1);
  while (json.charCodeAt(at) !== CLOSE_BRACKET) {
    const { text, end } = memberText(json, at, name);
    texts.push(text);
    at = nextItem(json, end);
  }
  return texts;
}

/** Looks for the member in the value that begins at `start`, and says where that value ends. */
function memberText(json: string, start: number, name: string): { text: string | null; end: number } {
  if (json.charCodeAt(start) !== OPEN_BRACE) return { text: null, end: skipValue(json, start) };
  let found: Span | null = null;
  let at = skipBlanks(json, start + 1);
  while (json.charCodeAt(at) !== CLOSE_BRACE) {
    const keyEnd = skipString(json, at);
    const value = memberValue(json, keyEnd);
    if (isKey(json.slice(at, keyEnd), name)) found = value;
    at = nextItem(json, value.end);
  }
  return { text: found && compact(json, found), end: at + 1 };
}

function memberValue(json: string, keyEnd: number): Span {
  const colon = skipBlanks(json, keyEnd);
  const start = skipBlanks(json, colon + 1);
  return { start, end: skipValue(json, start) };
}

/** Whether a key, in its quotes and with its escapes, is `name`. */
function isKey(quoted: string, name: string): boolean {
  if (!quoted.includes('\\')) return quoted.length === name.length + 2 && quoted.startsWith(name, 1);
  return JSON.parse(quoted) === name;
}

/** The start of the next item, or the bracket that closes the list. */
function nextItem(json: string, itemEnd: number): number {
  const at = skipBlanks(json, itemEnd);
  return json.charCodeAt(at) === COMMA ? skipBlanks(json, at + 1) : at;
}

function skipBlanks(json: string, from: number): number {
  let at = from;
  // In valid JSON everything up to the space is one of the four blanks, outside of strings.
  while (json.charCodeAt(at) <= SPACE) at += 1;
  return at;
}

function skipString(json: string, from: number): number {
  let at = from + 1;
  for (;;) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) return at + 1;
    at += code === BACKSLASH ? 2 : 1;
  }
}

/** Counts brackets instead of calling itself: nesting is bounded by the body's size alone. */
function skipValue(json: string, from: number): number {
  let depth = 0;
  let at = from;
  do {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = skipString(json, at);
    else if (depth === 0 && code !== OPEN_BRACE && code !== OPEN_BRACKET) return skipScalar(json, at);
    else {
      if (code === OPEN_BRACE || code === OPEN_BRACKET) depth += 1;
      if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth -= 1;
      at += 1;
    }
  } while (depth > 0);
  return at;
}

/** A number, `true`, `false` or `null`. */
function skipScalar(json: string, from: number): number {
  let at = from;
  while (at < json.length && !endsScalar(json.charCodeAt(at))) at += 1;
  return at;
}

function endsScalar(code: number): boolean {
  return code === COMMA || code === CLOSE_BRACKET || code === CLOSE_BRACE || code <= SPACE;
}

/** Copies a value without the blanks between its parts. */
function compact(json: string, { start, end }: Span): string {
  let text = '';
  let copied = start;
  let at = start;
  while (at < end) {
    const code = json.charCodeAt(at);
    if (code === QUOTE) at = skipString(json, at);
    else if (code <= SPACE) {
      text += json.slice(copied, at);
      at = skipBlanks(json, at);
      copied = at;
    } else at += 1;
  }
  return text + json.slice(copied, end);
}
