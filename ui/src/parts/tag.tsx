import type { ComponentChildren } from 'preact';
import { standingOf, type Tone, toneOf } from '../model/standing.ts';
import { t } from '../texts/texts.ts';
import type { OwnedExport } from '../wire.ts';
import { Icon } from './icon.tsx';

/** A word with a colour and a sign: whoever sees no colours reads it all the same. */
export function Tag({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }) {
  return (
    <span class={`tag ${tone}`}>
      <Icon name={tone} />
      {children}
    </span>
  );
}

export function StandingTag({ job }: { readonly job: OwnedExport }) {
  const standing = standingOf(job);
  return <Tag tone={toneOf(standing)}>{t.standing[standing]}</Tag>;
}
