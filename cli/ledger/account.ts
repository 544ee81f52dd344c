import type { Disclosure } from '../../src/ledger/disclosures.ts';
import { formatBytes, formatCount, formatExports, printable } from '../terminal.ts';
import { breakJson, breakLine, type LogBreak } from './breaks.ts';
import type { LogReport } from './verification.ts';

/** What left the box, for people: who, what, where, when, how much, how often; and what speaks for it. */
export function accountText(
  disclosures: readonly Disclosure[],
  logs: readonly LogReport[],
  breaks: readonly LogBreak[],
): string {
  const parts = disclosures.length === 0 ? ['Nothing was handed over.\n'] : disclosures.map(disclosureText);
  const lost = breaks.map((each) => `${breakLine(each)}\n`).join('');
  return printableLines(`${parts.join('\n')}\n${logs.map(proofText).join('')}${lost}`);
}

/** The same as JSON. */
export function accountJson(
  disclosures: readonly Disclosure[],
  logs: readonly LogReport[],
  breaks: readonly LogBreak[],
): object {
  return {
    disclosures: disclosures.map(
      ({ app, destination, accepted, outcomes, sent, unknown, bytes, refused, ...rest }) => ({
        app,
        destination,
        accepted,
        outcomes,
        sent,
        unknown,
        bytes,
        refused,
        first_sent_at: rest.firstSentAt,
        last_sent_at: rest.lastSentAt,
        addresses: [...rest.addresses],
        tls_fingerprints: [...rest.tlsFingerprints],
      }),
    ),
    logs: logs.map(({ origin, verifierKey, verification }) => ({
      origin,
      verifier_key: verifierKey,
      entries: verification.head.size,
      covered: verification.covered,
    })),
    breaks: breaks.map(breakJson),
  };
}

function disclosureText(disclosure: Disclosure): string {
  const { app, destination, accepted, outcomes, sent, unknown, bytes, refused } = disclosure;
  const { delivered, undeliverable, blocked, cancelled } = outcomes;
  const lines: [string, string][] = [
    ['taken in', formatExports(accepted)],
    [
      'ended',
      `${formatCount(delivered)} delivered, ${formatCount(undeliverable)} undeliverable, ` +
        `${formatCount(blocked)} blocked, ${formatCount(cancelled)} cancelled`,
    ],
    ['sent', sent === 0 ? 'nothing' : `${times(sent)}, ${formatBytes(bytes)} in all${unknownText(unknown)}`],
    ...(disclosure.firstSentAt === null
      ? []
      : ([['from', `${disclosure.firstSentAt} to ${disclosure.lastSentAt}`]] as [string, string][])),
    ...listed('addresses', disclosure.addresses),
    ...listed('certificates', disclosure.tlsFingerprints),
    ...(refused === 0 ? [] : ([['refused', times(refused)]] as [string, string][])),
  ];
  const rows = lines.map(([name, text]) => `  ${name.padEnd(12)}  ${text}\n`).join('');
  return `${app ?? 'Apps whose tokens name none'} to ${destination}\n${rows}`;
}

function unknownText(unknown: number): string {
  return unknown === 0 ? '' : `; of ${times(unknown)} more nobody knows whether anything left`;
}

function listed(name: string, values: ReadonlySet<string>): [string, string][] {
  return [...values].map((value, index) => [index === 0 ? name : '', value]);
}

function times(count: number): string {
  return count === 1 ? 'once' : `${formatCount(count)} times`;
}

function proofText({ origin, verifierKey, verification }: LogReport): string {
  const { head, covered } = verification;
  return (
    `From the log ${origin}: ${formatCount(head.size)} entries that hold, ${formatCount(covered)} of them under a ` +
    `signed checkpoint.\nIts key: ${verifierKey}\n`
  );
}

function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}
