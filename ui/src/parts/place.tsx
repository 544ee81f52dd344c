import { appName, placeName } from '../texts/texts.ts';

/** A destination: whom it belongs to in bold, then where there. Isolated, so that its letters move no others about. */
export function Place({ destination }: { readonly destination: string }) {
  const { host, path } = placeName(destination);
  return (
    <bdi class="place" title={destination}>
      <strong>{host}</strong>
      <span class="path">{path}</span>
    </bdi>
  );
}

export function AppName({ app }: { readonly app: string | null }) {
  return <bdi class={app === null ? 'app unnamed' : 'app'}>{appName(app)}</bdi>;
}
