import fc from "fast-check";
import { expect, test } from "vitest";
import { fitted, fromShares, regionAround, toShares, wholeRegion, within } from "./geometry.ts";
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

test("a frame of another aspect is in the middle of its cell", () => {
  const cell = { x: 100, y: 0, width: 200, height: 200 };
  expect(fitted({ width: 20, height: 10 }, cell)).toEqual({ x: 100, y: 50, width: 200, height: 100 });
  expect(fitted({ width: 10, height: 20 }, cell)).toEqual({ x: 150, y: 0, width: 100, height: 200 });
});

test("a region is found again in a picture of its canvas", () => {
  const part = { x: 100, y: 50, width: 20, height: 10 };
  expect(within({ x: 10, y: 10, width: 30, height: 5 }, { width: 200, height: 100 }, part)).toEqual({
    x: 101,
    y: 51,
    width: 3,
    height: 0.5,
  });
});
