/** Which jobs of the history are shown. Pure. */

import type { Job, JobState } from "tcan-client";

export const STATES = ["succeeded", "active", "failed", "canceled"] as const;
export const KINDS = ["animate", "poses"] as const satisfies Job["kind"][];
export const DAYS = [1, 7, 30] as const;

export interface Filters {
  readonly state: (typeof STATES)[number] | null;
  readonly kind: (typeof KINDS)[number] | null;
  readonly preset: string | null;
  /** A part of the name, the notes or the id. */
  readonly text: string;
  /** Only jobs of the last days. */
  readonly days: number | null;
}

export const NO_FILTERS: Filters = { state: null, kind: null, preset: null, text: "", days: null };
export const ACTIVE: readonly JobState[] = ["queued", "preparing", "running"];
export const PAGE_SIZE = 60;

const DAY_MS = 24 * 3600 * 1000;

/** Read the filters in a query of the page's address; what is absent or wrong there filters nothing. */
export function readFilters(query: URLSearchParams): Filters {
  return {
    state: STATES.find((state) => state === query.get("state")) ?? null,
    kind: KINDS.find((kind) => kind === query.get("kind")) ?? null,
    preset: query.get("preset") || null,
    text: query.get("text") ?? "",
    days: DAYS.find((days) => String(days) === query.get("days")) ?? null,
  };
}

/** Return the filters for the page's address; those that filter nothing are left out. */
export function writeFilters(filters: Filters): URLSearchParams {
  const given = Object.entries(filters).filter(([, value]) => value !== null && value !== "");
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
}

/** Return the path of the first page; kind, preset and text are no filters of the API. */
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
export function isShown(job: Job, { state, kind, preset, text }: Filters): boolean {
  const group = ACTIVE.includes(job.status) ? "active" : job.status;
  const { name = "", notes = "" } = job.options.metadata ?? {};
  const searched = `${name}\n${notes}\n${job.id}`.toLowerCase();
  return (
    (state === null || group === state) &&
    (kind === null || job.kind === kind) &&
    (preset === null || job.params.preset === preset) &&
    searched.includes(text.trim().toLowerCase())
  );
}

/** Return the presets that can be chosen: those of these jobs, and the chosen one. */
export function presetsOf(jobs: readonly Job[], { preset }: Filters): string[] {
  return [...new Set([...jobs.flatMap(({ params }) => params.preset ?? []), ...(preset ? [preset] : [])])].sort();
}
