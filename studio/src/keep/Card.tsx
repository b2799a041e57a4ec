import type { JSX } from "preact";
import { hasEnded, type Job } from "tcan-client";
import { percent } from "../format.ts";
import { PencilIcon, RefreshIcon, TrashIcon } from "../icons.tsx";
import { texts } from "../texts.ts";

interface Props {
  job: Job;
  isSelected: boolean;
  onSelect: () => void;
  onOpen: () => void;
  onEdit: () => void;
  onUseSettings: () => void;
  onDelete: () => void;
}

/** A job: its poster, or its last preview, with its name and state. */
export function Card({ job, isSelected, onSelect, onOpen, onEdit, onUseSettings, onDelete }: Props): JSX.Element {
  const name = jobName(job);
  const notes = job.options.metadata?.["notes"];
  const picture = job.links.poster ?? job.links.preview;
  const isActive = !hasEnded(job);
  return (
    <li class={isSelected ? "card selected" : "card"}>
      <button type="button" class="card-open well" aria-label={texts.keep.open(name)} onClick={onOpen}>
        {picture ? (
          <img src={picture} alt="" loading="lazy" decoding="async" />
        ) : (
          <span class="hint">{job.kind === "poses" ? texts.keep.poses : texts.watch.stages[job.status]}</span>
        )}
      </button>
      <label class="card-select">
        <input type="checkbox" checked={isSelected} aria-label={texts.keep.select(name)} onChange={onSelect} />
      </label>
      <div class="card-text">
        <p class="name card-name">{name}</p>
        <p class="hint num">{facts(job)}</p>
        {isActive ? <progress value={job.progress.fraction} max="1" aria-label={texts.keep.progress(name)} /> : null}
        {job.error ? <p class="hint name">{job.error.detail}</p> : null}
        {notes ? <p class="hint name">{notes}</p> : null}
      </div>
      <div class="card-actions">
        <Action label={texts.keep.edit(name)} onClick={onEdit}>
          <PencilIcon />
        </Action>
        <Action label={texts.keep.useSettings(name)} onClick={onUseSettings}>
          <RefreshIcon />
        </Action>
        <Action label={texts.keep.remove(name)} isDisabled={isActive} onClick={onDelete}>
          <TrashIcon />
        </Action>
      </div>
    </li>
  );
}

/** Return the name that somebody gave a job, or a part of its id. */
export function jobName(job: Job): string {
  return job.options.metadata?.["name"] || texts.keep.unnamed(job.id);
}

function facts(job: Job): string {
  const state = texts.watch.stages[job.status];
  const date = new Date(job.created_at).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
  // In one line.
  const time = date.replace(/\s/g, "\u00a0");
  const seed = typeof job.params.seed === "number" ? texts.judge.seed(job.params.seed) : "";
  const done = hasEnded(job) ? "" : texts.watch.percent(percent(job.progress.fraction));
  return [job.status === "succeeded" ? "" : state, done, job.kind === "poses" ? texts.keep.poses : seed, time].filter(Boolean).join(" · ");
}

interface ActionProps {
  label: string;
  isDisabled?: boolean;
  onClick: () => void;
  children: JSX.Element;
}

function Action({ label, isDisabled = false, onClick, children }: ActionProps): JSX.Element {
  return (
    <button
      type="button"
      class="button quiet icon"
      aria-label={label}
      title={label}
      disabled={isDisabled}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
