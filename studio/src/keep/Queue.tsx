import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Job } from "tcan-client";
import { describeError, noteRefusal, session, type Trouble } from "../api/index.ts";
import { duration, percent } from "../format.ts";
import { StopIcon } from "../icons.tsx";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import { stageText } from "../watch/index.ts";
import { jobName } from "./Card.tsx";

interface Props {
  /** In the order in which they are served. */
  jobs: readonly Job[];
  onOpen: (jobId: string) => void;
  onCancel: (job: Job) => Promise<void>;
  /** All jobs of this caller shall be canceled; a key of an operator also sees those of others. */
  onCancelAll: (jobs: readonly Job[]) => void;
}

/** The region "Queue": the jobs that run and wait, each with its place and estimate. */
export function Queue({ jobs, onOpen, onCancel, onCancelAll }: Props): JSX.Element | null {
  if (jobs.length === 0) {
    return null;
  }
  const waiting = jobs.filter(({ status }) => status === "queued").length;
  const own = jobs.filter(isOwn);
  return (
    <section class="panel stack" aria-label={texts.keep.queue}>
      <div class="row spread">
        <h2>
          {texts.keep.queue} <span class="hint num">{texts.keep.queued(jobs.length - waiting, waiting)}</span>
        </h2>
        {own.length > 0 ? (
          <button type="button" class="button" onClick={() => onCancelAll(own)}>
            <StopIcon /> {texts.keep.cancelAll}
          </button>
        ) : null}
      </div>
      <ol class="queue">
        {jobs.map((job) => (
          <Row key={job.id} job={job} onOpen={() => onOpen(job.id)} onCancel={() => onCancel(job)} />
        ))}
      </ol>
    </section>
  );
}

interface RowProps {
  job: Job;
  onOpen: () => void;
  onCancel: () => Promise<void>;
}

function Row({ job, onOpen, onCancel }: RowProps): JSX.Element {
  const isAsked = useSignal(false);
  const trouble = useSignal<Trouble | null>(null);
  const isStopping = isAsked.value || job.cancel_requested;
  const cancel = async () => {
    isAsked.value = true;
    trouble.value = null;
    try {
      await onCancel();
    } catch (error) {
      isAsked.value = false;
      noteRefusal(error);
      trouble.value = describeError(error);
    }
  };
  const name = jobName(job);
  const done = job.progress.fraction > 0 ? texts.watch.percent(percent(job.progress.fraction)) : "";
  const left = job.eta ? texts.watch.remaining(duration(job.eta.seconds)) : "";
  return (
    <li class="queue-job">
      <button type="button" class="queue-open well" aria-label={texts.keep.open(name)} onClick={onOpen}>
        {job.links.preview ? <img src={job.links.preview} alt="" decoding="async" /> : null}
      </button>
      <div class="queue-text">
        <p class="name card-name">{name}</p>
        <p class="hint num">{[stageText(job), done, left].filter(Boolean).join(" · ")}</p>
        <progress value={job.progress.fraction} max="1" aria-label={texts.keep.progress(name)} />
        {trouble.value ? <TroubleNotice trouble={trouble.value} /> : null}
      </div>
      <button
        type="button"
        class="button"
        aria-label={texts.keep.cancel(name)}
        aria-disabled={isStopping}
        onClick={isStopping ? undefined : () => void cancel()}
      >
        {isStopping ? texts.watch.stopping : texts.watch.cancel}
      </button>
    </li>
  );
}

/** Only an operator's key is told whose a job is. */
function isOwn({ caller }: Job): boolean {
  return caller == null || (session.value.kind === "open" && session.value.caller === caller);
}
