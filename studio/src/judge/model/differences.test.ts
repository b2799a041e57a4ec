import { expect, test } from "vitest";
import { differences } from "./differences.ts";
import { testJob } from "./job.fixture.ts";

test("only parameters that differ are listed", () => {
  const jobs = [
    testJob({ params: { seed: 7, guidance_scale: 1.5, trim: { start_s: 0, end_s: 2 } } }),
    testJob({ params: { seed: 8, guidance_scale: 1.5, trim: { start_s: 1, end_s: 2 }, person: null } }),
  ];
  expect(differences(jobs)).toEqual([
    { name: "seed", values: ["7", "8"] },
    { name: "trim.start_s", values: ["0", "1"] },
  ]);
});

test("a parameter that one job has differs from the other's default", () => {
  const jobs = [testJob({ params: { seed: 7 } }), testJob({ params: { seed: 7, person: 1 } })];
  expect(differences(jobs)).toEqual([{ name: "person", values: [undefined, "1"] }]);
});
