import { useState } from 'preact/hooks';
import { Confirm } from '../parts/dialog.tsx';
import { saveFile } from '../parts/files.ts';
import { Icon } from '../parts/icon.tsx';
import { Failure, Loading } from '../parts/loaded.tsx';
import { AppName, Place } from '../parts/place.tsx';
import { StopButton } from '../parts/stop.tsx';
import { StandingTag, Tag } from '../parts/tag.tsx';
import { redeliver, takeBack } from '../state/actions.ts';
import { ApiError, askText } from '../state/api.ts';
import { oneExport } from '../state/box.ts';
import { tellError } from '../state/notices.ts';
import { exportHash, exportsHash } from '../state/route.ts';
import { appName, format, placeText, reasonText, statusText, t } from '../texts/texts.ts';
import type { Attempt, OwnedExport } from '../wire.ts';

/** One export: what it is, what was done with it, and what can be done about it. */
export function ExportView() {
  const { value, error } = oneExport.state.value;
  return (
    <>
      <a class="back" href={exportsHash({})}>
        <Icon name="back" />
        {t.export.back}
      </a>
      {value !== undefined && <OneExport job={value} />}
      {value === undefined && <NotThere error={error} />}
    </>
  );
}

function NotThere({ error }: { readonly error: Error | null }) {
  if (error === null) return <Loading lines={6} />;
  if (error instanceof ApiError && error.status === 404) {
    return (
      <>
        <h1 tabIndex={-1}>{t.export.unknown}</h1>
        <p class="lead">{t.export.unknownText}</p>
      </>
    );
  }
  return <Failure error={error} onRetry={() => void oneExport.reload()} />;
}

function OneExport({ job }: { readonly job: OwnedExport }) {
  const { app, destination } = job;
  const name = t.export.title(appName(app), placeText(destination));
  return (
    <>
      <h1 tabIndex={-1}>
        <AppName app={app} /> <span class="to-word">{t.exports.to}</span> <Place destination={destination} />
      </h1>
      <p class="standing">
        <StandingTag job={job} />
      </p>
      <Actions job={job} name={name} />
      <Facts job={job} />
      <Attempts attempts={job.attempts} />
    </>
  );
}

function Actions({ job, name }: { readonly job: OwnedExport; readonly name: string }) {
  const [asked, ask] = useState<'takeBack' | 'redeliver' | null>(null);
  const isOpen = job.outcome === null;
  const act = { takeBack, redeliver };
  return (
    <div class="actions">
      {isOpen && (
        <button type="button" onClick={() => ask('takeBack')}>
          {t.export.takeBack}
        </button>
      )}
      {!isOpen && (
        <button type="button" onClick={() => ask('redeliver')}>
          <Icon name="again" />
          {t.export.redeliver}
        </button>
      )}
      <StopButton subject={{ app: job.app, destination: job.destination }} of={name} />
      {!isOpen && <Receipt id={job.id} />}
      {asked !== null && (
        <Confirm words={t.confirm[asked]} onYes={() => act[asked](job)} onClose={() => ask(null)} />
      )}
    </div>
  );
}

function Receipt({ id }: { readonly id: string }) {
  const download = async (): Promise<void> => {
    try {
      saveFile(`${id}.tlog-proof`, await askText(`owner/exports/${encodeURIComponent(id)}/receipt`));
    } catch (error) {
      tellError(error instanceof ApiError ? t.export.receiptFailed(error.message) : t.failure.unreachable);
    }
  };
  return (
    <button type="button" title={t.export.receiptText} onClick={download}>
      <Icon name="download" />
      {t.export.receipt}
    </button>
  );
}

function Facts({ job }: { readonly job: OwnedExport }) {
  const time = (at: string) => <time dateTime={at}>{format.exactly(Date.parse(at))}</time>;
  return (
    <dl class="facts card">
      <dt>{t.export.app}</dt>
      <dd>
        <AppName app={job.app} />
        {job.app === null && job.peer !== null && <span class="aside"> {t.app.peer(job.peer)}</span>}
      </dd>
      <dt>{t.export.place}</dt>
      <dd class="long">
        <bdi>{job.destination}</bdi>
      </dd>
      <dt>{t.export.size}</dt>
      <dd>{format.size(job.bytes)}</dd>
      <dt>{t.export.accepted}</dt>
      <dd>{time(job.accepted_at)}</dd>
      <dt>{t.export.ended}</dt>
      <dd>{job.finished_at === null ? t.export.notEnded : time(job.finished_at)}</dd>
      {job.redelivery_of !== null && (
        <>
          <dt>{t.export.again}</dt>
          <dd>
            <a href={exportHash(job.redelivery_of)}>{job.redelivery_of}</a>
          </dd>
        </>
      )}
      <dt>{t.export.id}</dt>
      <dd class="long">
        <code>{job.id}</code>
      </dd>
    </dl>
  );
}

function Attempts({ attempts }: { readonly attempts: readonly Attempt[] }) {
  return (
    <section>
      <h2>{t.export.attempts}</h2>
      {attempts.length === 0 && <p class="empty">{t.export.noAttempts}</p>}
      <ol class="attempts">
        {attempts.map((attempt) => (
          <AttemptItem key={attempt.number} attempt={attempt} />
        ))}
      </ol>
    </section>
  );
}

function AttemptItem({ attempt }: { readonly attempt: Attempt }) {
  const { number, status, error, address, started_at: startedAt, ended_at: endedAt } = attempt;
  // An answer says why by itself; other errors have a word of ours, and the service's own sentence.
  const isAnswer = status !== null && (error === null || error.code === 'http_status');
  const isGood = error === null && status !== null && status < 300;
  const took = format.duration(Date.parse(endedAt) - Date.parse(startedAt));
  return (
    <li class="card">
      <div class="attempt-head">
        <h3>{t.export.attempt(format.count(number))}</h3>
        <Tag tone={isGood ? 'good' : 'bad'}>
          {isAnswer ? statusText(status) : reasonText(error?.code ?? null, null)}
        </Tag>
      </div>
      <p>
        <time dateTime={startedAt}>{format.exactly(Date.parse(startedAt))}</time>, {t.export.took(took)}.
      </p>
      {error !== null && !isAnswer && error.detail !== '' && (
        <p class="aside">
          <bdi>{error.detail}</bdi>
        </p>
      )}
      {address !== null && (
        <p class="aside">
          {t.export.address(address)}
          {attempt.tls_fingerprint != null && (
            <>
              . {t.export.fingerprint}: <code class="long">{attempt.tls_fingerprint}</code>
            </>
          )}
        </p>
      )}
    </li>
  );
}
