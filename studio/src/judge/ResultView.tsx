import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { Job } from "tcan-client";
import { describeError, noteRefusal, type Trouble } from "../api/index.ts";
import { PencilIcon, RefreshIcon } from "../icons.tsx";
import { EditDialog } from "../keep/index.ts";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import "./judge.css";
import type { ResultViewProps } from "./index.ts";
import { framesPerSecond } from "./model/rate.ts";
import type { Take } from "./model/screening.ts";
import { reviewOf } from "./model/sides.ts";
import { Player } from "./player/Player.tsx";
import { Code } from "./result/Code.tsx";
import { Differences } from "./result/Differences.tsx";
import { DownloadButton, Downloads } from "./result/Downloads.tsx";
import { Provenance } from "./result/Provenance.tsx";

/** The region "Result": one result, or several that are compared in step. */
export function ResultView(props: ResultViewProps): JSX.Element {
  const { jobs } = props;
  const takes = jobs.flatMap((job): Take[] => {
    const review = reviewOf(job);
    return review ? [{ job, review }] : [];
  });
  const names = distinctNames(jobs);
  const isComparison = jobs.length > 1;
  return (
    <section class="panel stack result" aria-label={texts.judge.region}>
      {isComparison ? <h1 class="visually-hidden">{texts.judge.compared}</h1> : null}
      {takes.length === jobs.length ? (
        <Player key={jobs.map(({ id }) => id).join()} takes={takes} names={names} />
      ) : (
        <Plain jobs={jobs} />
      )}
      {isComparison ? <Differences jobs={jobs} names={names} /> : null}
      <div class={isComparison ? "takes" : "stack"}>
        {jobs.map((job, index) => (
          <TakePanel key={job.id} {...props} job={job} name={names[index] ?? ""} take={takes[index]} />
        ))}
      </div>
    </section>
  );
}

interface PanelProps extends ResultViewProps {
  job: Job;
  name: string;
  take: Take | undefined;
}

/** What can be done with one result, and what is known of it. */
function TakePanel(props: PanelProps): JSX.Element {
  const { jobs, job, name, take, client, onSubmitted, onUseSettings } = props;
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);
  const isUsed = useSignal(false);
  const useSettings = () => {
    onUseSettings(job);
    isUsed.value = true;
  };
  const again = async () => {
    isBusy.value = true;
    trouble.value = null;
    try {
      onSubmitted(await client.retry(job.id, { params: { seed: null } }));
    } catch (error) {
      noteRefusal(error);
      trouble.value = describeError(error);
    } finally {
      isBusy.value = false;
    }
  };
  const facts =
    take &&
    texts.judge.facts(
      take.review.frames,
      framesPerSecond(take.review.rate)
        .toFixed(2)
        .replace(/\.?0+$/, ""),
    );
  return (
    <div class="take stack" role="group" aria-label={name}>
      <div class="row spread">
        <div>
          <Name {...props} />
          <p class="hint num">
            {[job.params.preset, texts.judge.seed(job.params.seed ?? 0), facts].filter(Boolean).join(" · ")}
          </p>
        </div>
        <div class="row">
          <DownloadButton job={job} />
          {job.kind === "animate" ? (
            <button type="button" class="button" disabled={isBusy.value} onClick={() => void again()}>
              <RefreshIcon /> {isBusy.value ? texts.judge.againBusy : texts.judge.again}
            </button>
          ) : null}
          <button type="button" class="button quiet" onClick={useSettings}>
            {texts.judge.useSettings}
          </button>
        </div>
      </div>
      {trouble.value ? <TroubleNotice trouble={trouble.value} /> : null}
      <p role="status" class={isUsed.value ? "notice good" : "visually-hidden"}>
        {isUsed.value ? texts.judge.settingsUsed : ""}
      </p>
      <div class={jobs.length > 1 ? "folds" : "folds wide"}>
        <Downloads job={job} />
        <Provenance job={job} client={client} />
        <Code job={job} />
      </div>
    </div>
  );
}

/** The result's name, with the notes, which can be changed here as in the history. */
function Name({ job, name, client, onChanged }: PanelProps): JSX.Element {
  const isEditing = useSignal(false);
  const notes = job.options.metadata?.["notes"];
  const label = texts.keep.edit(name);
  return (
    <>
      <div class="row nowrap">
        <h2 class="name" title={name}>
          {name}
        </h2>
        <button
          type="button"
          class="button quiet icon"
          aria-label={label}
          title={label}
          onClick={() => (isEditing.value = true)}
        >
          <PencilIcon />
        </button>
      </div>
      {notes ? (
        <p class="name" title={notes}>
          {notes}
        </p>
      ) : null}
      {isEditing.value ? (
        <EditDialog job={job} client={client} onChanged={onChanged} onClose={() => (isEditing.value = false)} />
      ) : null}
    </>
  );
}

/** Results without a review, such as of the release before. */
function Plain({ jobs }: { jobs: readonly Job[] }): JSX.Element {
  return (
    <div class="stack">
      <p class="hint">{texts.judge.noReview}</p>
      <div class="plain">
        {jobs.map((job) => (
          <video
            key={job.id}
            class="well"
            src={job.links.result ?? job.links.pose ?? ""}
            aria-label={texts.judge.region}
            controls
            muted
            loop
            playsInline
          />
        ))}
      </div>
    </div>
  );
}

/** Return the jobs' names; where two are equal, with their seeds. */
function distinctNames(jobs: readonly Job[]): string[] {
  const names = jobs.map((job) => job.options.metadata?.["name"] || texts.judge.unnamed(job.id));
  return names.map((name, index) => {
    const isShared = names.filter((other) => other === name).length > 1;
    const seed = jobs[index]?.params.seed;
    return isShared && typeof seed === "number" ? `${name}, ${texts.judge.seed(seed)}` : name;
  });
}
