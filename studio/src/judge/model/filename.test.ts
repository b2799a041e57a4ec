import fc from "fast-check";
import { expect, test } from "vitest";
import { DEFAULT_PATTERN, fileName } from "./filename.ts";
import { testJob } from "./job.fixture.ts";

const JOB = testJob({ params: { seed: 7, preset: "mini" }, options: { metadata: { name: "Harbor / shot 12" } } });

test("the usual name says what, how and which", () => {
  expect(fileName(DEFAULT_PATTERN, JOB, "result", "mp4")).toBe("Harbor - shot 12-mini-seed7-8f14e45f.mp4");
  expect(fileName(DEFAULT_PATTERN, JOB, "pose", "mp4")).toBe("Harbor - shot 12-mini-seed7-8f14e45f-pose.mp4");
  expect(fileName("{date}_{output}", JOB, "poster", "png")).toBe("2026-11-22_poster.png");
});

test("tokens without a value leave no double dashes", () => {
  expect(fileName(DEFAULT_PATTERN, testJob(), "result", "webm")).toBe("tcan-seed7-8f14e45f.webm");
});

test("a name that the file system keeps is replaced", () => {
  expect(fileName("CON", JOB, "result", "mp4")).toBe("tcan-8f14e45f.mp4");
  expect(fileName("../..", JOB, "result", "mp4")).toBe("tcan-8f14e45f.mp4");
});

test("no name leaves its folder", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.string({ unit: "binary" }), (pattern, name) => {
      const job = testJob({ options: { metadata: { name } } });
      expect(fileName(pattern, job, "result", "mp4")).toMatch(/^[^/\\:*?"<>|.][^/\\:*?"<>|]*\.mp4$/);
    }),
  );
});
