/** A job for tests, with what each test is about. */

import type { Job } from "tcan-client";

const ID = "8f14e45fceea467a9575ecb2d1f6a0aa";

export function testJob(fields: Partial<Job> = {}): Job {
  const here = `/jobs/${ID}`;
  return {
    id: ID,
    version: 31,
    kind: "animate",
    status: "succeeded",
    stage: "render",
    progress: { step: 20, steps: 20, fraction: 1 },
    attempts: 1,
    timings: { waited_s: 0.1, prepare_s: 0.4, render_s: 12.2, stages: {} },
    created_at: "2026-11-22T10:00:00Z",
    ended_at: "2026-11-22T10:00:40Z",
    cancel_requested: false,
    params: { seed: 7 },
    options: {},
    warnings: [],
    links: { self: here, cancel: `${here}/cancel`, events: `${here}/events`, result: `${here}/result` },
    ...fields,
  };
}
