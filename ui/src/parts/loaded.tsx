import type { ComponentChildren } from 'preact';
import { ApiError } from '../state/api.ts';
import type { Resource } from '../state/resource.ts';
import { t } from '../texts/texts.ts';
import { Icon } from './icon.tsx';

export interface LoadedProps<T> {
  readonly of: Resource<T>;
  /** How many lines it takes about, while it loads. */
  readonly lines?: number;
  readonly children: (value: T) => ComponentChildren;
}

/** What was loaded, or that it is being loaded, or that it could not be. */
export function Loaded<T>({ of, lines = 3, children }: LoadedProps<T>) {
  const { value, error } = of.state.value;
  if (value !== undefined) return <>{children(value)}</>;
  if (error !== null) return <Failure error={error} onRetry={() => void of.reload()} />;
  return <Loading lines={lines} />;
}

export function Loading({ lines }: { readonly lines: number }) {
  return (
    <div class="loading" role="status">
      <span class="hidden">{t.loading}</span>
      {Array.from({ length: lines }, (_, line) => (
        <span key={line} class="bone" />
      ))}
    </div>
  );
}

export function Failure({ error, onRetry }: { readonly error: Error; readonly onRetry: () => void }) {
  return (
    <div class="failure" role="alert">
      <Icon name="warn" />
      <div>
        <p>
          <strong>{t.failure.title}</strong>{' '}
          {error instanceof ApiError ? t.failure.said(error.message) : t.failure.unreachable}
        </p>
        <button type="button" onClick={onRetry}>
          {t.failure.retry}
        </button>
      </div>
    </div>
  );
}
