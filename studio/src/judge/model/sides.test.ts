import fc from "fast-check";
import { expect, test } from "vitest";
import { parseRate } from "./rate.ts";
import { leaderOf, reelFrame, reelsOf, type Review } from "./sides.ts";

function review(fps: string, frames: number): Review {
  return { url: "", rate: parseRate(fps), frames, cells: {} };
}

test("cells of one job share a video unless one is offset", () => {
  const side = { job: 0, cell: "driver", offset: 0 } as const;
  expect(reelsOf([side, { ...side, cell: "result" }], 0)).toEqual([{ job: 0, offset: 0 }]);
  expect(reelsOf([side, { ...side, cell: "result", offset: -1 }], 0)).toEqual([
    { job: 0, offset: 0 },
    { job: 0, offset: -1 },
  ]);
});

test("the longest job leads, in seconds", () => {
  expect(leaderOf([review("25", 50), review("50", 80), review("24000/1001", 49)])).toBe(2);
});

test("an offset moves one picture and stops at its ends", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 99 }), fc.integer({ min: -99, max: 99 }), (frame, offset) => {
      const shown = reelFrame(frame, review("25", 100), review("25", 40), offset);
      expect(shown).toBe(Math.max(0, Math.min(frame + offset, 39)));
    }),
  );
});
