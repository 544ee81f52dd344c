import { Icon } from '../parts/icon.tsx';
import { type Session, signIn } from '../state/session.ts';
import { t } from '../texts/texts.ts';

type Out = Extract<Session, { readonly kind: 'out' }>;

/** What is there to see without a link. */
export function SignInView({ session }: { readonly session: Out }) {
  const { why } = session;
  return (
    <main class="sign-in">
      <Icon name="box" />
      <h1>{t.signIn.title}</h1>
      <p class="lead">{t.signIn.lead}</p>
      <div class={why === 'link' || why === 'unreachable' ? 'state warn' : 'state'} role="status">
        <p>{t.signIn[why]}</p>
        {session.why === 'link' && (
          <p class="aside">
            {t.signIn.said} {session.detail}
          </p>
        )}
        {why === 'unreachable' && (
          <button type="button" class="main" onClick={() => void signIn()}>
            {t.signIn.retry}
          </button>
        )}
      </div>
      <section>
        <h2>{t.signIn.how}</h2>
        <p>{t.signIn.step}</p>
        <pre>
          <code>{t.signIn.command}</code>
        </pre>
      </section>
      <p class="aside">{t.signIn.privacy}</p>
    </main>
  );
}
