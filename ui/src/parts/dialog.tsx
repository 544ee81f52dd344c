import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { t } from '../texts/texts.ts';
import { Icon } from './icon.tsx';

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}

/**
 * A question that comes before everything else. The browser keeps the focus in it, and Escape closes it: in the key's own
 * event. The browser's `close` comes in a later one, and would take back what the next key has opened by then.
 */
export function Dialog({ title, onClose, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const titleId = useId();
  useEffect(() => {
    const before = document.activeElement;
    const element = dialog.current;
    element?.showModal();
    return () => {
      // What is behind a modal dialog takes no focus.
      element?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  const closeAtCancel = (event: Event): void => {
    event.preventDefault();
    onClose();
  };
  const closeWhenShown = (): void => {
    if (dialog.current !== null) onClose();
  };
  const closeOutside = (event: MouseEvent): void => {
    if (event.target === dialog.current) onClose();
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape is the keyboard's way, and the browser's own.
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      onCancel={closeAtCancel}
      onClose={closeWhenShown}
      onClick={closeOutside}
    >
      <div class="dialog">
        <div class="dialog-head">
          <h2 id={titleId}>{title}</h2>
          <button type="button" class="quiet square" aria-label={t.close} onClick={onClose}>
            <Icon name="close" />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}

export interface ConfirmProps {
  readonly words: { readonly title: string; readonly text: string; readonly yes: string };
  /** Resolves when it is done; the question stays until then. */
  readonly onYes: () => Promise<unknown>;
  readonly onClose: () => void;
}

/** Asks before something that cannot be undone. */
export function Confirm({ words, onYes, onClose }: ConfirmProps) {
  return (
    <Dialog title={words.title} onClose={onClose}>
      <p>{words.text}</p>
      <div class="dialog-buttons">
        <button type="button" onClick={onClose}>
          {t.cancel}
        </button>
        <button type="button" class="main" onClick={() => onYes().then(onClose)}>
          {words.yes}
        </button>
      </div>
    </Dialog>
  );
}
