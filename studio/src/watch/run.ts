/** The job that the Make view shows, from its submission to its end. Pure. */

import { hasEnded, type Job } from "tcan-client";
import type { Connection, Trouble } from "../api/index.ts";

export type Run =
  | { kind: "none" }
  | { kind: "submitting" }
  /** The service refused the submission. */
  | { kind: "refused"; trouble: Trouble }
  | { kind: "opening"; id: string }
  /** `isStopping` from the click on Cancel on; `trouble` if the service refused that. */
  | { kind: "following"; job: Job; connection: Connection; isStopping: boolean; trouble: Trouble | null }
  | { kind: "ended"; job: Job }
  /** The job cannot be shown. */
  | { kind: "missing"; id: string; trouble: Trouble };

export type RunEvent =
  | { kind: "submitted" }
  | { kind: "refused"; trouble: Trouble }
  | { kind: "opened"; id: string }
  | { kind: "changed"; job: Job }
  | { kind: "connection"; connection: Connection }
  | { kind: "cancelAsked" }
  | { kind: "cancelFailed"; trouble: Trouble }
  | { kind: "lost"; id: string; trouble: Trouble }
  | { kind: "closed" };

export const NONE: Run = { kind: "none" };

/** Return the state after an event; an event that does not fit the state changes nothing. */
export function reduceRun(run: Run, event: RunEvent): Run {
  switch (event.kind) {
    case "submitted":
      return { kind: "submitting" };
    case "refused":
      return { kind: "refused", trouble: event.trouble };
    case "opened":
      return { kind: "opening", id: event.id };
    case "changed":
      return follow(run, event.job);
    case "connection":
      return run.kind === "following" ? { ...run, connection: event.connection } : run;
    case "cancelAsked":
      return run.kind === "following" ? { ...run, isStopping: true, trouble: null } : run;
    case "cancelFailed":
      return run.kind === "following" ? { ...run, isStopping: false, trouble: event.trouble } : run;
    case "lost":
      return { kind: "missing", id: event.id, trouble: event.trouble };
    case "closed":
      return NONE;
  }
}

function follow(run: Run, job: Job): Run {
  if (hasEnded(job)) {
    return { kind: "ended", job };
  }
  const before = run.kind === "following" && run.job.id === job.id ? run : null;
  return {
    kind: "following",
    job,
    connection: before?.connection ?? "live",
    isStopping: job.cancel_requested || (before?.isStopping ?? false),
    trouble: before?.trouble ?? null,
  };
}

/** Return the job that is shown, if it is known. */
export function jobOf(run: Run): Job | null {
  return run.kind === "following" || run.kind === "ended" ? run.job : null;
}
