import { expect, test } from "vitest";
import { testJob } from "../judge/model/job.fixture.ts";
import { activeIds, queueOf, reduceShelf, type Shelf, type ShelfEvent } from "./shelf.ts";

const OLD = testJob({ id: "a", version: 3, created_at: "2026-11-22T10:00:00Z" });
const NEW = testJob({ id: "b", version: 3, created_at: "2026-11-23T10:00:00Z", status: "running" });

function after(...events: ShelfEvent[]): Shelf {
  return events.reduce<Shelf>(reduceShelf, { kind: "reading" });
}

test("jobs are listed once, newest first", () => {
  const page: ShelfEvent = { kind: "page", jobs: [OLD], next: null };
  expect(after(page, { kind: "changed", jobs: [NEW, OLD] })).toMatchObject({ jobs: [NEW, OLD] });
});

test("an older version of a job changes nothing", () => {
  const page: ShelfEvent = { kind: "page", jobs: [NEW], next: null };
  expect(after(page, { kind: "changed", jobs: [{ ...NEW, version: 2, status: "queued" }] })).toMatchObject({
    jobs: [NEW],
  });
});

test("erased jobs are gone, and only jobs that have not ended are active", () => {
  const shelf = after({ kind: "page", jobs: [OLD, NEW], next: null });
  expect(activeIds(shelf)).toEqual(["b"]);
  expect(reduceShelf(shelf, { kind: "erased", ids: ["b"] })).toMatchObject({ jobs: [OLD] });
});

test("a page that cannot be read leaves the jobs before it", () => {
  const trouble = { code: "offline", detail: "", next: "", fields: [] } as const;
  const shelf = after(
    { kind: "page", jobs: [OLD], next: "/jobs?cursor=x" },
    { kind: "moreAsked" },
    { kind: "failed", trouble },
  );
  expect(shelf).toMatchObject({ kind: "read", jobs: [OLD], next: null });
});

test("what runs is before what waits, and that is in its order", () => {
  const waiting = (id: string, queue_position: number | null) => testJob({ id, status: "queued", queue_position });
  const jobs = [waiting("third", null), waiting("second", 1), NEW, waiting("first", 0), OLD];
  expect(queueOf({ kind: "read", jobs, next: null, isReadingMore: false }).map(({ id }) => id)).toEqual([
    "b",
    "first",
    "second",
    "third",
  ]);
});
