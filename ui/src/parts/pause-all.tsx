import { useState } from 'preact/hooks';
import { holdOfAll } from '../model/rules.ts';
import { addRule, removeRule } from '../state/actions.ts';
import { rules } from '../state/box.ts';
import { t } from '../texts/texts.ts';
import { Confirm } from './dialog.tsx';
import { Icon } from './icon.tsx';

/** The brake: one press, and nothing leaves the box. */
export function PauseAll() {
  const [isAsking, setAsking] = useState(false);
  const known = rules.value;
  if (known === undefined) return null;
  const hold = holdOfAll(known);
  if (hold === undefined) {
    return (
      <button type="button" class="pause-all" onClick={() => addRule({ kind: 'hold' })}>
        <Icon name="pause" />
        <span>{t.all.pause}</span>
      </button>
    );
  }
  return (
    <>
      <button type="button" class="pause-all paused" onClick={() => setAsking(true)}>
        <Icon name="play" />
        <span>{t.all.goOn}</span>
      </button>
      {isAsking && (
        <Confirm words={t.confirm.release} onYes={() => removeRule(hold)} onClose={() => setAsking(false)} />
      )}
    </>
  );
}
