/** A job's stages in words. Pure. */

import type { Job, JobState } from "tcan-client";
import { texts } from "../texts.ts";

/** The stages that every animation goes through, in order. */
export const STAGES = ["queued", "preparing", "running", "succeeded"] as const satisfies JobState[];

/** Return what the job does now, such as `2 before it in the queue`. */
export function stageText(job: Job): string {
  if (job.status === "queued") {
    return job.queue_position == null ? texts.watch.queuedUnknown : texts.watch.queued(job.queue_position);
  }
  return texts.watch.stageNames[job.stage] ?? texts.watch.stages[job.status];
}

/**
 * Return the index of the stage that the job is in, of STAGES.
 *
 * After its poses a job waits in a second queue; it stays at its frames then.
 */
export function stageIndex(job: Job): number {
  if (job.status === "queued") {
    return job.stage === "render" ? STAGES.indexOf("running") : 0;
  }
  return STAGES.findIndex((stage) => stage === job.status);
}
