/** The jobs of the history that were read so far. Pure. */

import { hasEnded, type Job } from "tcan-client";
import type { Trouble } from "../api/index.ts";

export type Shelf =
  | { kind: "reading" }
  | { kind: "failed"; trouble: Trouble }
  /** Newest first; `next` is the path of the next page. */
  | { kind: "read"; jobs: readonly Job[]; next: string | null; isReadingMore: boolean };

export type ShelfEvent =
  | { kind: "opened" }
  | { kind: "failed"; trouble: Trouble }
  | { kind: "page"; jobs: readonly Job[]; next: string | null }
  | { kind: "moreAsked" }
  | { kind: "changed"; jobs: readonly Job[] }
  | { kind: "erased"; ids: readonly string[] };

/** Return the shelf after an event. */
export function reduceShelf(shelf: Shelf, event: ShelfEvent): Shelf {
  if (event.kind === "opened") {
    return { kind: "reading" };
  }
  if (event.kind === "page") {
    const before = shelf.kind === "read" ? shelf.jobs : [];
    return { kind: "read", jobs: merge(before, event.jobs), next: event.next, isReadingMore: false };
  }
  if (event.kind === "failed") {
    return shelf.kind === "read"
      ? { ...shelf, next: null, isReadingMore: false }
      : { kind: "failed", trouble: event.trouble };
  }
  if (shelf.kind !== "read") {
    return shelf;
  }
  switch (event.kind) {
    case "moreAsked":
      return { ...shelf, isReadingMore: true };
    case "changed":
      if (event.jobs.length === 0) {
        return shelf;
      }
      return { ...shelf, jobs: merge(shelf.jobs, event.jobs) };
    case "erased":
      return { ...shelf, jobs: shelf.jobs.filter(({ id }) => !event.ids.includes(id)) };
  }
}

/** Return all jobs, newest first, each in its newest version. */
function merge(before: readonly Job[], changed: readonly Job[]): Job[] {
  const byId = new Map(before.map((job) => [job.id, job]));
  for (const job of changed) {
    const known = byId.get(job.id);
    if (!known || job.version >= known.version) {
      byId.set(job.id, job);
    }
  }
  return [...byId.values()].sort((one, other) => Date.parse(other.created_at) - Date.parse(one.created_at));
}

/** Return the ids of the jobs that still change. */
export function activeIds(shelf: Shelf): string[] {
  return queueOf(shelf).map(({ id }) => id);
}

/** Return the jobs that still change: those that run, then those that wait, the next one first. */
export function queueOf(shelf: Shelf): Job[] {
  const jobs = shelf.kind === "read" ? shelf.jobs.filter((job) => !hasEnded(job)) : [];
  const place = (job: Job) => (job.status === "queued" ? (job.queue_position ?? Infinity) : -1);
  // The list is newest first, and jobs of the same place are served oldest first.
  return jobs.reverse().sort((one, other) => (place(one) === place(other) ? 0 : place(one) - place(other)));
}
