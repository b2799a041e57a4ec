/** Which jobs of the history are shown. Pure. */

import type { Job, JobState } from "tcan-client";

export const STATES = ["succeeded", "active", "failed", "canceled"] as const;
export const DAYS = [1, 7, 30] as const;

export interface Filters {
  readonly state: (typeof STATES)[number] | null;
  readonly preset: string | null;
  /** A part of the name, the notes or the id. */
  readonly text: string;
  /** Only jobs of the last days. */
  readonly days: number | null;
}

export const NO_FILTERS: Filters = { state: null, preset: null, text: "", days: null };
export const ACTIVE: readonly JobState[] = ["queued", "preparing", "running"];
export const PAGE_SIZE = 60;

const DAY_MS = 24 * 3600 * 1000;

/** Return the path of the first page; preset and text are no filters of the API. */
export function firstPage({ state, days }: Filters, nowMs: number): string {
  const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
  for (const status of state === "active" ? ACTIVE : state ? [state] : []) {
    query.append("status", status);
  }
  if (days !== null) {
    query.set("created_after", new Date(nowMs - days * DAY_MS).toISOString());
  }
  return `/jobs?${query}`;
}

/** Return whether a job is shown, whatever it was when its page was read. */
export function isShown(job: Job, { state, preset, text }: Filters): boolean {
  const group = ACTIVE.includes(job.status) ? "active" : job.status;
  const { name = "", notes = "" } = job.options.metadata ?? {};
  const searched = `${name}\n${notes}\n${job.id}`.toLowerCase();
  return (
    (state === null || group === state) &&
    (preset === null || job.params.preset === preset) &&
    searched.includes(text.trim().toLowerCase())
  );
}

/** Return the presets of these jobs. */
export function presetsOf(jobs: readonly Job[]): string[] {
  return [...new Set(jobs.flatMap(({ params }) => params.preset ?? []))].sort();
}
