import fc from "fast-check";
import { expect, test } from "vitest";
import { cut, moveHandle, parseFps, toFrames, toSeconds, wholeTrim, isWhole } from "./trim.ts";
import { documentOf, standing } from "./testing.ts";

const RATES = ["24000/1001", "30000/1001", "25", "10/1", "60000/1001", "240"];
const trims = fc
  .tuple(fc.nat(4999), fc.nat(4999))
  .map(([one, other]) => ({ first: Math.min(one, other), end: Math.max(one, other) + 1 }));

test("the service reads a trim's seconds as its frames", () => {
  fc.assert(fc.property(trims, fc.constantFrom(...RATES), (trim, rate) => {
    const fps = parseFps(rate);
    expect(toFrames(toSeconds(trim, fps), fps, 5000)).toEqual(trim);
  }));
});

test("a trim keeps at least one frame, and stays inside the video", () => {
  const moves = fc.array(fc.tuple(fc.constantFrom("first" as const, "end" as const), fc.integer({ min: -20, max: 40 })));
  fc.assert(fc.property(fc.integer({ min: 1, max: 20 }), moves, (numFrames, steps) => {
    const trim = steps.reduce((now, [handle, to]) => moveHandle(now, handle, to, numFrames), wholeTrim(numFrames));
    expect(trim.first).toBeGreaterThanOrEqual(0);
    expect(trim.end).toBeGreaterThan(trim.first);
    expect(trim.end).toBeLessThanOrEqual(numFrames);
  }));
});

test("a cut document has the trim's frames", () => {
  const document = documentOf(standing(0), standing(1), standing(2), standing(3));
  expect(cut(document, { first: 1, end: 3 }).frames).toEqual(document.frames.slice(1, 3));
  expect(isWhole(wholeTrim(4), 4)).toBe(true);
  expect(isWhole({ first: 1, end: 4 }, 4)).toBe(false);
});

test("rates are fractions", () => {
  expect(parseFps("30000/1001")).toBeCloseTo(29.97, 3);
  expect(parseFps("25")).toBe(25);
});
