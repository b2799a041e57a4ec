import fc from "fast-check";
import { expect, test } from "vitest";
import { fromShares, regionAround, toShares, wholeRegion } from "./geometry.ts";
import { jointsOf } from "./document.ts";
import { addHand } from "./edits.ts";
import { CANVAS, people, standing } from "./testing.ts";

test("a position in a region is the same position in the canvas", () => {
  const share = fc.double({ min: -1, max: 2, noNaN: true });
  fc.assert(fc.property(people, share, share, (person, x, y) => {
    const region = regionAround(person, jointsOf(person, ["body"]), CANVAS);
    const back = toShares(fromShares({ x, y }, region), region);
    expect(back.x).toBeCloseTo(x, 6);
    expect(back.y).toBeCloseTo(y, 6);
  }));
});

test("a hand fills its region, which has the canvas's aspect", () => {
  const person = addHand(standing(), "handLeft", CANVAS);
  const region = regionAround(person, jointsOf(person, ["handLeft"]), CANVAS);
  expect(region.width / region.height).toBeCloseTo(CANVAS.width / CANVAS.height);
  expect(region.width).toBeLessThan(CANVAS.width / 3);
  for (const point of person.handLeft ?? []) {
    const { x, y } = toShares(point ?? { x: NaN, y: NaN }, region);
    expect(x).toBeGreaterThan(0.05);
    expect(x).toBeLessThan(0.95);
    expect(y).toBeGreaterThan(0.05);
    expect(y).toBeLessThan(0.95);
  }
});

test("without joints the whole canvas is shown", () => {
  expect(regionAround(standing(), [], CANVAS)).toEqual(wholeRegion(CANVAS));
});
