import type { MacaroonCaveat } from '../macaroon/macaroon.ts';
import { lossyTextOf, textOf } from '../macaroon/text.ts';
import { parseRfc3339 } from './rfc3339.ts';

/** A caveat as we understand it; `text` is what the token says, for messages. */
export type Caveat =
  | {
      readonly kind: 'target' | 'method' | 'path' | 'destination';
      readonly text: string;
      readonly value: string;
    }
  | { readonly kind: 'time'; readonly text: string; readonly beforeMs: number }
  | { readonly kind: 'data-bytes'; readonly text: string; readonly bytesMax: number }
  /** One we do not understand, an ill-formed one of ours too. It always refuses. */
  | { readonly kind: 'unknown'; readonly text: string }
  /** It always refuses: we look at no discharges. `text` is where one would come from. */
  | { readonly kind: 'third-party'; readonly text: string };

/** Understands one caveat of a token. There is always an answer, because unknown is one. */
export function parseCaveat(caveat: MacaroonCaveat): Caveat {
  if (caveat.thirdParty !== undefined) return { kind: 'third-party', text: caveat.thirdParty.location };
  const text = textOf(caveat.identifier);
  return text === undefined
    ? { kind: 'unknown', text: lossyTextOf(caveat.identifier) }
    : parseCaveatText(text);
}

/** Key, blank, operator, blank, value: nothing is trimmed, and a value has no blank at its ends. */
export function parseCaveatText(text: string): Caveat {
  const unknown: Caveat = { kind: 'unknown', text };
  const match = /^(\S+) (\S+) (.*)$/s.exec(text);
  const [, key, operator, value = ''] = match ?? [];
  if (value !== value.trim()) return unknown;
  switch (`${key} ${operator}`) {
    case 'target =':
      return { kind: 'target', text, value };
    case 'method =':
      return { kind: 'method', text, value };
    case 'path =':
      return { kind: 'path', text, value };
    case 'destination =':
      return { kind: 'destination', text, value };
    case 'time <':
      return parseTime(value, text) ?? unknown;
    case 'data-bytes <=':
      return parseDataBytes(value, text) ?? unknown;
    default:
      return unknown;
  }
}

function parseTime(value: string, text: string): Caveat | undefined {
  const beforeMs = parseRfc3339(value);
  return beforeMs === undefined ? undefined : { kind: 'time', text, beforeMs };
}

function parseDataBytes(value: string, text: string): Caveat | undefined {
  const bytesMax = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  return Number.isSafeInteger(bytesMax) ? { kind: 'data-bytes', text, bytesMax } : undefined;
}
