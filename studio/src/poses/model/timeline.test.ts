import fc from "fast-check";
import { expect, test } from "vitest";
import { withPerson } from "./document.ts";
import { bars, confidences, editedFrames, neighbour, outline } from "./timeline.ts";
import { documentOf, standing } from "./testing.ts";

const detected = documentOf(standing(), standing(1), standing(2));
const edited = withPerson(detected, { frame: 1, person: 0 }, standing(9));

test("frames with other people are edited", () => {
  expect(editedFrames(detected, edited)).toEqual([1]);
  expect(editedFrames(detected, detected)).toEqual([]);
});

test("edited frames have the confidence of their joints, others that of the service", () => {
  const [first, second, third] = confidences(edited, [0.1, 0.2, 0.3], [1]);
  expect([first, third]).toEqual([0.1, 0.3]);
  expect(second).toBeCloseTo(0.8);
});

test("neighbouring frames make one bar", () => {
  expect(bars([7, 2, 3, 4])).toBe("M7 0H8V1H7ZM2 0H5V1H2Z");
  expect(bars([])).toBe("");
});

test("bars cover exactly their frames", () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(60)), (frames) => {
    const spans = [...bars(frames).matchAll(/M(\d+) 0H(\d+)V/g)].map(([, from, to]) => [Number(from), Number(to)] as const);
    const covered = spans.flatMap(([from, to]) => Array.from({ length: to - from }, (_, index) => from + index));
    expect(covered.sort((one, other) => one - other)).toEqual(frames.sort((one, other) => one - other));
  }));
});

test("the outline has a step for each frame", () => {
  expect(outline([1, 0.5])).toBe("M0 1V0.000H1V0.500H2V1Z");
});

test("the nearest frame on a side is found", () => {
  expect(neighbour([1, 5, 9], 5, 1)).toBe(9);
  expect(neighbour([1, 5, 9], 5, -1)).toBe(1);
  expect(neighbour([5], 5, 1)).toBeNull();
});
