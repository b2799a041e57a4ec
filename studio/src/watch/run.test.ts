import { expect, test } from "vitest";
import type { Job } from "tcan-client";
import { NONE, reduceRun, type Run, type RunEvent } from "./run.ts";
import { titleOf } from "./title.ts";

const job = (status: Job["status"], fraction = 0, more: Partial<Job> = {}): Job =>
  ({ id: "j1", status, progress: { fraction, step: 0, steps: 0 }, cancel_requested: false, ...more }) as Job;

const after = (...events: RunEvent[]): Run => events.reduce(reduceRun, NONE);

test("a job is followed from its submission to its end", () => {
  const following = after({ kind: "submitted" }, { kind: "opened", id: "j1" }, { kind: "changed", job: job("running", 0.5) });
  expect(following).toMatchObject({ kind: "following", isStopping: false });
  expect(reduceRun(following, { kind: "changed", job: job("succeeded", 1) })).toMatchObject({ kind: "ended" });
});

test("cancel says stopping before the service answers, and until the job has ended", () => {
  const asked = after({ kind: "changed", job: job("running") }, { kind: "cancelAsked" });
  expect(asked).toMatchObject({ isStopping: true });
  expect(reduceRun(asked, { kind: "changed", job: job("running", 0.6) })).toMatchObject({ isStopping: true });
  expect(reduceRun(asked, { kind: "changed", job: job("canceled", 0.6) })).toMatchObject({ kind: "ended" });
});

test("a lost connection keeps the job in view", () => {
  const lost = after({ kind: "changed", job: job("running", 0.3) }, { kind: "connection", connection: "lost" });
  expect(lost).toMatchObject({ kind: "following", connection: "lost", job: { progress: { fraction: 0.3 } } });
});

test("the tab's title has the percentage, then the end", () => {
  expect(titleOf(after({ kind: "changed", job: job("running", 0.429) }), "Studio")).toBe("42 % · Studio");
  expect(titleOf(after({ kind: "changed", job: job("succeeded", 1) }), "Studio")).toBe("Ready · Studio");
  expect(titleOf(after({ kind: "changed", job: job("canceled", 0.4) }), "Studio")).toBe("Canceled · Studio");
  expect(titleOf(NONE, "Studio")).toBe("Studio");
});
