import { expect, test } from "vitest";
import { testJob } from "../judge/model/job.fixture.ts";
import { firstPage, isShown, NO_FILTERS, readFilters, writeFilters, type Filters } from "./filters.ts";

const JOB = testJob({ params: { preset: "mini" }, options: { metadata: { name: "Harbor 12", notes: "windy" } } });

test("states and times are filters of the API", () => {
  const now = Date.parse("2026-11-22T10:00:00Z");
  expect(firstPage({ ...NO_FILTERS, state: "active", days: 1 }, now)).toBe(
    "/jobs?limit=60&status=queued&status=preparing&status=running&created_after=2026-11-21T10%3A00%3A00.000Z",
  );
});

test("text is found in names, notes and ids", () => {
  for (const text of ["harbor", "WINDY", JOB.id.slice(0, 8), " "]) {
    expect(isShown(JOB, { ...NO_FILTERS, text })).toBe(true);
  }
  expect(isShown(JOB, { ...NO_FILTERS, text: "beach" })).toBe(false);
});

test("a job that has ended is no longer among the active ones", () => {
  expect(isShown(JOB, { ...NO_FILTERS, state: "active" })).toBe(false);
  expect(isShown({ ...JOB, status: "running" }, { ...NO_FILTERS, state: "active" })).toBe(true);
});

test("filters survive in the address, and wrong ones filter nothing", () => {
  const filters: Filters = { state: "failed", kind: "poses", preset: "mini", text: "a & b", days: 7 };
  expect(readFilters(writeFilters(filters))).toEqual(filters);
  expect(writeFilters(NO_FILTERS).toString()).toBe("");
  expect(readFilters(new URLSearchParams("state=lost&kind=x&days=two"))).toEqual(NO_FILTERS);
});

test("pose previews and animations are told apart", () => {
  expect(isShown(JOB, { ...NO_FILTERS, kind: "animate" })).toBe(true);
  expect(isShown(JOB, { ...NO_FILTERS, kind: "poses" })).toBe(false);
});
