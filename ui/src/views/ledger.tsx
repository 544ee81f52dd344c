import { useEffect, useState } from 'preact/hooks';
import type { Verdict } from '../ledger/verify-log.ts';
import { entryText } from '../model/entry-text.ts';
import { Choose } from '../parts/choose.tsx';
import { saveFile } from '../parts/files.ts';
import { Icon } from '../parts/icon.tsx';
import { Loaded } from '../parts/loaded.tsx';
import { attempt } from '../state/actions.ts';
import { logs, readEntries, readLogs } from '../state/box.ts';
import { type Check, check, readCheckpoint, startCheck, stopCheck } from '../state/check.ts';
import { heardAt } from '../state/live.ts';
import { Resource } from '../state/resource.ts';
import { format, t } from '../texts/texts.ts';
import type { LedgerItem, LedgerLog } from '../wire.ts';

/** Entries on a page. */
const ENTRIES = 50;

/** What is on record, and whether it is whole. */
export function LedgerView() {
  useEffect(() => logs.renew(), []);
  return (
    <>
      <h1 tabIndex={-1}>{t.ledger.title}</h1>
      <p class="lead">{t.ledger.lead}</p>
      <Loaded of={logs}>
        {(known) => (known.length === 0 ? <p class="empty">{t.ledger.empty}</p> : <Logs known={known} />)}
      </Loaded>
    </>
  );
}

function Logs({ known }: { readonly known: readonly LedgerLog[] }) {
  const [chosen, choose] = useState<string | null>(null);
  const log = known.find(({ origin }) => origin === chosen) ?? known.at(-1);
  if (log === undefined) return null;
  const options = Object.fromEntries(known.map(({ origin }) => [origin, origin]));
  const change = (origin: string): void => {
    stopCheck();
    choose(origin);
  };
  return (
    <>
      {known.length > 1 && (
        <div class="fields">
          <Choose label={t.ledger.which} value={log.origin} options={options} onChoose={change} />
        </div>
      )}
      <CheckCard log={log} />
      <Entries key={log.origin} log={log} />
    </>
  );
}

function CheckCard({ log }: { readonly log: LedgerLog }) {
  const [kept, setKept] = useState<{ readonly name: string; readonly text: string } | null>(null);
  const { value } = check;
  const take = async (input: HTMLInputElement): Promise<void> => {
    const [file] = input.files ?? [];
    setKept(file === undefined ? null : { name: file.name, text: await file.text() });
  };
  const save = (): Promise<unknown> =>
    attempt(async () => saveFile('checkpoint.txt', await readCheckpoint(log.origin)));
  return (
    <section class="card check">
      <h2>{t.ledger.checkTitle}</h2>
      <p>{t.ledger.checkText}</p>
      <div class="check-actions">
        {value?.kind === 'progress' ? (
          <button type="button" onClick={stopCheck}>
            {t.ledger.stopCheck}
          </button>
        ) : (
          <button type="button" class="main" onClick={() => void startCheck(log, kept?.text ?? null)}>
            <Icon name="rules" />
            {t.ledger.check}
          </button>
        )}
        <button type="button" onClick={save}>
          <Icon name="download" />
          {t.ledger.checkpoint}
        </button>
        <label class="file">
          {t.ledger.kept}
          <input type="file" onChange={({ currentTarget }) => void take(currentTarget)} />
        </label>
      </div>
      <p class="aside">{t.ledger.checkpointText}</p>
      <div role="status">{value !== null && <Result check={value} />}</div>
    </section>
  );
}

function Result({ check: value }: { readonly check: Check }) {
  switch (value.kind) {
    case 'progress':
      return <Progress done={value.done} all={value.all} />;
    case 'verdict':
      return <VerdictCard verdict={value.verdict} />;
    case 'untrusted':
      return <Bad title={t.ledger.untrusted} texts={[value.detail, t.ledger.badDo]} />;
    case 'failed':
      return <Bad title={t.ledger.failed} texts={[value.detail]} />;
    case 'no-signatures':
      return (
        <Bad title={t.ledger.noSignatures} texts={[t.ledger.noSignaturesText]}>
          {t.ledger.noSignaturesCommand}
        </Bad>
      );
  }
}

function Progress({ done, all }: { readonly done: number; readonly all: number }) {
  const text = t.ledger.checking(format.count(done), format.count(all));
  return (
    <div class="progress">
      <progress value={done} max={all || 1} aria-label={text} />
      <p>{text}</p>
    </div>
  );
}

function VerdictCard({ verdict }: { readonly verdict: Verdict }) {
  const { flaw, unexplainedErasure, erased, keptSize } = verdict;
  if (flaw !== null) {
    const [first, last] = [format.count(flaw.first), format.count(flaw.last)];
    return <Bad title={t.ledger.bad} texts={[t.ledger.badText[flaw.kind](first, last), t.ledger.badDo]} />;
  }
  if (unexplainedErasure !== null) {
    const text = t.ledger.badErased(format.count(unexplainedErasure));
    return <Bad title={t.ledger.bad} texts={[text, t.ledger.badDo]} />;
  }
  const [entries, covered] = [format.count(verdict.entries), format.count(verdict.covered)];
  return (
    <div class="verdict good">
      <Icon name="good" />
      <div>
        <h3>{t.ledger.good}</h3>
        <p>{t.ledger.goodText({ entries, covered })}</p>
        {keptSize !== null && <p>{t.ledger.goodKept(format.count(keptSize))}</p>}
        {erased > 0 && <p>{t.ledger.erased(format.count(erased))}</p>}
      </div>
    </div>
  );
}

interface BadProps {
  readonly title: string;
  readonly texts: readonly string[];
  /** A command. */
  readonly children?: string;
}

function Bad({ title, texts, children }: BadProps) {
  return (
    <div class="verdict bad">
      <Icon name="bad" />
      <div>
        <h3>{title}</h3>
        {texts.map((text) => (
          <p key={text}>{text}</p>
        ))}
        {children !== undefined && (
          <pre>
            <code>{children}</code>
          </pre>
        )}
      </div>
    </div>
  );
}

/** Read from the end on: a log is in the order of its writing. */
function Entries({ log }: { readonly log: LedgerLog }) {
  const [count, setCount] = useState(ENTRIES);
  const [entries] = useState(() => new EntryList(log.origin));
  // New entries come with whatever is heard of the box.
  const heard = heardAt.value;
  useEffect(() => entries.show(count), [count, log.size, heard]);
  return (
    <section>
      <h2>{t.ledger.entries}</h2>
      <p class="aside">{t.ledger.entriesLead}</p>
      <Loaded of={entries.resource} lines={6}>
        {(items) => (
          <>
            <ol class="entries">
              {items.map((item) => (
                <EntryItem key={item.index} item={item} />
              ))}
            </ol>
            {(items.at(-1)?.index ?? 0) > 0 && (
              <button type="button" class="more" onClick={() => setCount(count + ENTRIES)}>
                {t.ledger.older}
              </button>
            )}
          </>
        )}
      </Loaded>
    </section>
  );
}

/** The newest entries of a log. What was read stays: entries never change. */
class EntryList {
  readonly resource: Resource<readonly LedgerItem[]>;
  readonly #origin: string;
  readonly #known = new Map<number, LedgerItem>();
  #count = ENTRIES;

  constructor(origin: string) {
    this.#origin = origin;
    this.resource = new Resource((signal) => this.#read(signal));
  }

  show(count: number): void {
    this.#count = count;
    this.resource.renew();
  }

  async #read(signal: AbortSignal): Promise<readonly LedgerItem[]> {
    const known = await readLogs(signal);
    const size = known.find(({ origin }) => origin === this.#origin)?.size ?? 0;
    const first = Math.max(0, size - this.#count);
    for (let from = first; from < size; from += ENTRIES)
      await this.#fill(from, Math.min(size, from + ENTRIES), signal);
    return Array.from({ length: size - first }, (_, back) => this.#known.get(size - 1 - back) ?? []).flat();
  }

  /** Reads only what is not there. */
  async #fill(start: number, end: number, signal: AbortSignal): Promise<void> {
    let from = start;
    while (from < end && this.#known.has(from)) from += 1;
    if (from === end) return;
    const { items } = await readEntries(this.#origin, from, end - from, signal);
    for (const item of items) this.#known.set(item.index, item);
  }
}

function EntryItem({ item: { index, entry } }: { readonly item: LedgerItem }) {
  const { text, time } = entryText(entry);
  return (
    <li class="entry">
      <p class="entry-text">
        <bdi>{text}</bdi>
      </p>
      <p class="aside">
        {t.ledger.number(format.count(index))}
        {time !== null && (
          <>
            {', '}
            <time dateTime={time}>{format.exactly(Date.parse(time))}</time>
          </>
        )}
      </p>
      {entry !== null && (
        <details>
          <summary>{t.ledger.raw}</summary>
          <pre>
            <code>{entry}</code>
          </pre>
        </details>
      )}
    </li>
  );
}
