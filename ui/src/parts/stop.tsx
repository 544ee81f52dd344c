import { useId, useState } from 'preact/hooks';
import { addRule } from '../state/actions.ts';
import { appName, counted, placeText, t } from '../texts/texts.ts';
import type { Budget, NewRule, RuleTarget } from '../wire.ts';
import { Choose } from './choose.tsx';
import { Dialog } from './dialog.tsx';
import { Icon, type IconName } from './icon.tsx';

/** What somebody points at when something should stop. */
export interface Subject {
  /** Null: the tokens named no app, so that no rule can be about it; undefined: every app. */
  readonly app?: string | null | undefined;
  readonly destination?: string | undefined;
  /** On the way now; left out, nobody knows. */
  readonly waiting?: number;
}

/** Opens the question what should stop. */
export function StopButton({ subject, of }: { readonly subject: Subject; readonly of: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="stop" aria-label={t.stop.buttonOf(of)} onClick={() => setOpen(true)}>
        {t.stop.button}
      </button>
      {isOpen && <StopDialog subject={subject} onClose={() => setOpen(false)} />}
    </>
  );
}

interface Scope {
  readonly name: string;
  readonly target: RuleTarget;
}

/** The narrowest first: it is chosen, unless somebody wants more. */
function scopesOf({ app, destination }: Subject): Scope[] {
  const { scopes } = t.stop;
  const all: Scope[] = [{ name: scopes.all, target: {} }];
  if (destination !== undefined)
    all.unshift({ name: scopes.place(placeText(destination)), target: { destination } });
  if (app != null) all.unshift({ name: scopes.app(appName(app)), target: { app } });
  if (app != null && destination !== undefined)
    all.unshift({ name: scopes.lane(appName(app), placeText(destination)), target: { app, destination } });
  return all;
}

export function StopDialog({
  subject,
  onClose,
}: {
  readonly subject: Subject;
  readonly onClose: () => void;
}) {
  const scopes = scopesOf(subject);
  const [chosen, choose] = useState(0);
  const [isLimiting, setLimiting] = useState(false);
  const { target } = scopes[chosen] ?? { target: {} };
  const make = async (rule: NewRule): Promise<void> => {
    if (await addRule(rule)) onClose();
  };
  if (isLimiting) {
    return (
      <LimitDialog
        onBack={() => setLimiting(false)}
        onClose={onClose}
        onLimit={(budget) => make({ kind: 'budget', ...budget, ...target })}
      />
    );
  }
  // Only of the narrowest it is known how much is on the way.
  const waiting = chosen === 0 && subject.waiting !== undefined ? counted(subject.waiting) : null;
  return (
    <Dialog title={t.stop.title} onClose={onClose}>
      <Scopes scopes={scopes} chosen={chosen} onChoose={choose} />
      <div class="choices">
        <Choice
          icon="pause"
          name={t.stop.pause}
          text={t.stop.pauseText}
          isFirst
          onClick={() => make({ kind: 'hold', ...target })}
        />
        <Choice
          icon="block"
          name={t.stop.block}
          text={t.stop.blockText(waiting)}
          onClick={() => make({ kind: 'block', ...target })}
        />
        <Choice
          icon="limit"
          name={`${t.stop.limit}…`}
          text={t.stop.limitText}
          onClick={() => setLimiting(true)}
        />
      </div>
    </Dialog>
  );
}

interface ScopesProps {
  readonly scopes: readonly Scope[];
  readonly chosen: number;
  readonly onChoose: (at: number) => void;
}

function Scopes({ scopes, chosen, onChoose }: ScopesProps) {
  const group = useId();
  if (scopes.length === 1) return <p class="only-scope">{scopes[0]?.name}</p>;
  return (
    <fieldset class="scopes">
      <legend>{t.stop.scope}</legend>
      {scopes.map(({ name }, at) => (
        <label key={name}>
          <input type="radio" name={group} checked={at === chosen} onChange={() => onChoose(at)} />
          <bdi>{name}</bdi>
        </label>
      ))}
    </fieldset>
  );
}

interface ChoiceProps {
  readonly icon: IconName;
  readonly name: string;
  readonly text: string;
  /** Where the focus is when the question is asked. */
  readonly isFirst?: boolean;
  readonly onClick: () => void;
}

function Choice({ icon, name, text, isFirst = false, onClick }: ChoiceProps) {
  return (
    <button type="button" class={`choice ${icon}`} autofocus={isFirst} onClick={onClick}>
      <Icon name={icon} />
      <span>
        <strong>{name}</strong>
        <span class="choice-text">{text}</span>
      </span>
    </button>
  );
}

const UNITS = { exports: 1, kB: 1_000, MB: 1_000_000, GB: 1_000_000_000 } as const;
type Unit = keyof typeof UNITS;

interface LimitProps {
  readonly onLimit: (budget: Budget) => Promise<void>;
  readonly onBack: () => void;
  readonly onClose: () => void;
}

function LimitDialog({ onLimit, onBack, onClose }: LimitProps) {
  const [number, setNumber] = useState('10');
  const [unit, setUnit] = useState<Unit>('exports');
  const [per, setPer] = useState<Budget['per']>('day');
  const [isWrong, setWrong] = useState(false);
  const [numberId, wrongId] = [useId(), useId()];
  const submit = (event: Event): void => {
    event.preventDefault();
    const limit = /^\d{1,9}$/.test(number.trim()) ? Number(number) * UNITS[unit] : null;
    setWrong(limit === null);
    if (limit !== null) void onLimit({ limit, unit: unit === 'exports' ? 'exports' : 'bytes', per });
  };
  return (
    <Dialog title={t.stop.limitTitle} onClose={onClose}>
      <form class="limit" onSubmit={submit} noValidate>
        <div class="fields">
          <div class="field">
            <label for={numberId}>{t.stop.limitNumber}</label>
            <input
              id={numberId}
              inputMode="numeric"
              value={number}
              autofocus
              aria-invalid={isWrong}
              aria-describedby={isWrong ? wrongId : undefined}
              onInput={({ currentTarget }) => setNumber(currentTarget.value)}
            />
          </div>
          <Choose label={t.stop.limitUnit} value={unit} options={t.stop.units} onChoose={setUnit} />
          <Choose label={t.stop.limitPer} value={per} options={t.stop.per} onChoose={setPer} />
        </div>
        {isWrong && (
          <p class="wrong" id={wrongId} role="alert">
            {t.stop.limitWrong}
          </p>
        )}
        <p class="aside">{t.stop.limitUtc}</p>
        <div class="dialog-buttons">
          <button type="button" onClick={onBack}>
            {t.stop.back}
          </button>
          <button type="submit" class="main">
            {t.stop.limitSet}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
