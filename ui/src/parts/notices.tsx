import { attempt } from '../state/actions.ts';
import { dismiss, type Notice, notices, tell } from '../state/notices.ts';
import { t } from '../texts/texts.ts';
import { Icon } from './icon.tsx';

/** What was just done; read out without moving the focus. */
export function Notices() {
  return (
    <section class="notices" aria-live="polite" role="status">
      {notices.value.map((notice) => (
        <NoticeLine key={notice.id} notice={notice} />
      ))}
    </section>
  );
}

function NoticeLine({ notice: { id, text, undo, isError } }: { readonly notice: Notice }) {
  const takeBack = async (): Promise<void> => {
    dismiss(id);
    if (undo !== null && (await attempt(undo))) tell(t.undone);
  };
  return (
    <div class={isError ? 'notice bad' : 'notice'}>
      <Icon name={isError ? 'bad' : 'good'} />
      <p>
        <bdi>{text}</bdi>
      </p>
      {undo !== null && (
        <button type="button" class="undo" onClick={takeBack}>
          {t.undo}
        </button>
      )}
      <button type="button" class="quiet square" aria-label={t.close} onClick={() => dismiss(id)}>
        <Icon name="close" />
      </button>
    </div>
  );
}
