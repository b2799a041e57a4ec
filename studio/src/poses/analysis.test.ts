import { expect, test } from "vitest";
import { readAnalysis } from "./analysis.ts";

const FOUND = {
  fps: "30000/1001",
  frames: 2,
  width: 20,
  height: 10,
  confidence: [0.5, 1],
  repaired: [{ frame: 1, rejected: ["left_wrist"], filled: ["left_wrist", "nose"], dropped: [] }],
  people: [],
  outside: null,
  warnings: [],
};

test("the reason of a repair names each joint once", () => {
  const { fps, repaired, outside } = readAnalysis(FOUND);
  expect(fps).toBeCloseTo(29.97, 2);
  expect([...repaired]).toEqual([[1, "left wrist jumped; nose filled in"]]);
  expect(outside).toEqual([]);
});

test("people who cannot be asked for are left out", () => {
  const person = { is_followed: true, share: 1, frame: 0, box: [1, 2, 11, 22] as [number, number, number, number] };
  const { people } = readAnalysis({ ...FOUND, people: [{ ...person, number: 3 }, { ...person, number: null }] });
  expect(people).toEqual([
    { number: 3, isFollowed: true, share: 1, frame: 0, box: { x: 1, y: 2, width: 10, height: 20 }, color: null },
  ]);
});
