import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Job } from "tcan-client";
import { describeJobError } from "../api/index.ts";
import { duration, percent } from "../format.ts";
import { CloseIcon, PictureIcon, RefreshIcon, StopIcon } from "../icons.tsx";
import { setting } from "../shell/settings.ts";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";
import type { Run } from "./run.ts";
import { stageText } from "./stages.ts";
import { StageList } from "./StageList.tsx";
import "./watch.css";

const hasPreview = setting("preview", true, (value): value is boolean => typeof value === "boolean");

/** The region "Progress": the job from its submission to its end. */
export function WatchRoom({ bench }: { bench: Workbench }): JSX.Element | null {
  const run = bench.run.value;
  const room = useRef<HTMLElement>(null);
  useEffect(() => {
    // Twice, since what stands above changes when the job is accepted.
    if (run.kind === "submitting" || run.kind === "following") {
      room.current?.scrollIntoView({ block: "start" });
    }
  }, [run.kind]);
  if (run.kind === "none" || (run.kind === "ended" && run.job.status === "succeeded")) {
    return null;
  }
  return (
    <section ref={room} class="panel stack watch" aria-label={texts.watch.region}>
      <Content run={run} bench={bench} />
    </section>
  );
}

function Content({ run, bench }: { run: Run; bench: Workbench }): JSX.Element | null {
  switch (run.kind) {
    case "submitting":
    case "opening":
      return <p role="status">{run.kind === "submitting" ? texts.watch.submitting : texts.shell.connecting}</p>;
    case "refused":
    case "missing":
      return (
        <TroubleNotice trouble={run.trouble}>
          <button class="button" type="button" onClick={bench.close}>
            <CloseIcon /> {texts.watch.close}
          </button>
        </TroubleNotice>
      );
    case "following":
      return <Following run={run} bench={bench} />;
    case "ended":
      return <Unfinished job={run.job} bench={bench} />;
    default:
      return null;
  }
}

function Following({ run, bench }: { run: Run & { kind: "following" }; bench: Workbench }): JSX.Element {
  const { job } = run;
  const share = percent(job.progress.fraction);
  return (
    <div class={`watch-grid ${hasPreview.value ? "with-preview" : ""}`}>
      <div class="stack">
        <div class="row spread">
          <p class="watch-stage" role="status">
            {run.isStopping ? texts.watch.stopping : stageText(job)}
          </p>
          <p class="watch-percent num" aria-hidden="true">
            {texts.watch.percent(share)}
          </p>
        </div>
        <progress aria-label={texts.watch.region} value={share} max={100} />
        <div class="row spread hint num">
          <Steps job={job} />
          {job.eta ? <span>{texts.watch.remaining(duration(job.eta.seconds))}</span> : null}
        </div>
        <StageList job={job} />
        {run.connection === "lost" ? (
          <p class="notice" role="status">
            {texts.watch.lost}
          </p>
        ) : null}
        {job.attempts > 1 ? <p class="hint">{texts.watch.attempt(job.attempts)}</p> : null}
        <Warnings job={job} />
        {run.trouble ? <TroubleNotice trouble={run.trouble} /> : null}
        <div class="row">
          <button class="button" type="button" disabled={run.isStopping} onClick={() => void bench.cancel()}>
            <StopIcon /> {texts.watch.cancel}
          </button>
          <button
            class="button quiet"
            type="button"
            aria-pressed={hasPreview.value}
            onClick={() => (hasPreview.value = !hasPreview.value)}
          >
            <PictureIcon /> {texts.watch.showPreview}
          </button>
        </div>
      </div>
      {hasPreview.value ? <Preview job={job} alt={texts.watch.previewAlt} /> : null}
    </div>
  );
}

/** A job that failed or was canceled: why, its last preview, and what to do. */
function Unfinished({ job, bench }: { job: Job; bench: Workbench }): JSX.Element {
  const trouble = describeJobError(job);
  return (
    <div class={`watch-grid ${job.links.preview ? "with-preview" : ""}`}>
      <div class="stack">
        {job.status === "canceled" ? (
          <p class="watch-stage" role="status">
            {texts.watch.canceled}
          </p>
        ) : null}
        {trouble ? <TroubleNotice trouble={trouble} /> : null}
        <Warnings job={job} />
        <div class="row">
          {job.kind === "animate" ? <Again job={job} bench={bench} isPuppet={trouble?.code !== "not_a_puppet"} /> : null}
          <button class="button quiet" type="button" onClick={bench.close}>
            <CloseIcon /> {texts.watch.close}
          </button>
        </div>
      </div>
      {job.links.preview ? <Preview job={job} alt={texts.watch.lastFrame} /> : null}
    </div>
  );
}

function Again({ job, bench, isPuppet }: { job: Job; bench: Workbench; isPuppet: boolean }): JSX.Element {
  return (
    <button
      class="button"
      type="button"
      onClick={() => void (isPuppet ? bench.repeat(job) : bench.animateAnyway(job))}
    >
      <RefreshIcon /> {isPuppet ? texts.watch.again : texts.watch.anyway}
    </button>
  );
}

function Steps({ job }: { job: Job }): JSX.Element {
  const { step, steps } = job.progress;
  return <span>{steps > 1 && job.status !== "queued" ? texts.watch.step(step, steps) : ""}</span>;
}

function Preview({ job, alt }: { job: Job; alt: string }): JSX.Element {
  return (
    <div class="well watch-preview">
      {job.links.preview ? <img src={job.links.preview} alt={alt} /> : <p class="hint">{texts.watch.noPreview}</p>}
    </div>
  );
}

function Warnings({ job }: { job: Job }): JSX.Element | null {
  return job.warnings.length > 0 ? (
    <div class="notice">
      <h3>{texts.watch.warnings}</h3>
      <ul>
        {job.warnings.map((warning) => (
          <li key={warning}>{warning}</li>
        ))}
      </ul>
    </div>
  ) : null;
}
