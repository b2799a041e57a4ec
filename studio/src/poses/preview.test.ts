import { expect, test } from "vitest";
import { posesParams } from "./preview.ts";

const PARAMS = { preset: "mini", seed: 3, layout: "coco17", fps: 12, retarget: false } as const;

test("a preview has the settings of the job that decide its poses", () => {
  expect(posesParams(PARAMS, false)).toEqual({ preset: "mini", layout: "coco17", fps: 12, retarget: false });
});

test("what is said of a driving file does not count for a file of the page", () => {
  expect(posesParams(PARAMS, true)).toEqual({ preset: "mini", retarget: false });
});
