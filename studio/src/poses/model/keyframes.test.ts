import fc from "fast-check";
import { expect, test } from "vitest";
import { personAt, visiblePoint, type Person } from "./document.ts";
import { hideJoints, moveJoint, removeJoints } from "./edits.ts";
import { LIMBS, type Joint } from "./joints.ts";
import { addKeyframe, fillBetween, spanAround, toggleKeyframe } from "./keyframes.ts";
import { documentOf, expectNear, people, standing } from "./testing.ts";

const LEFT_WRIST: Joint = { part: "body", index: 7 };
const wrong = standing(300, 300);

function boneLength(person: Person, [inner, outer]: readonly [number, number]): number {
  const [one, other] = [person.body[inner], person.body[outer]];
  return one && other ? Math.hypot(one.x - other.x, one.y - other.y) : NaN;
}

test("a person who moves evenly is in the middle in the middle frame", () => {
  const filled = fillBetween(documentOf(standing(), wrong, standing(10, 4)), 0, [0, 2]);
  expectNear(personAt(filled, { frame: 1, person: 0 }), standing(5, 2));
});

test("keyframes and frames outside them stay", () => {
  fc.assert(fc.property(people, people, (one, other) => {
    const document = documentOf(wrong, one, wrong, wrong, other, wrong);
    const filled = fillBetween(document, 0, [1, 4]);
    for (const frame of [0, 1, 4, 5]) {
      expect(filled.frames[frame]).toBe(document.frames[frame]);
    }
  }));
});

test("a joint is between two keyframes if both have it, and no bone is longer than in both", () => {
  fc.assert(fc.property(people, people, (one, other) => {
    const middle = personAt(fillBetween(documentOf(one, wrong, other), 0, [0, 2]), { frame: 1, person: 0 });
    middle.body.forEach((point, index) => {
      const ends = [one.body[index], other.body[index]];
      expect(point === null).toBe(ends.includes(null));
      expect(point?.confidence ?? 0).toBe(Math.min(...ends.map((end) => end?.confidence ?? 0)));
    });
    for (const limb of LIMBS) {
      const [before, now, after] = [one, middle, other].map((person) => boneLength(person, limb));
      if (!Number.isNaN(now) && before !== undefined && after !== undefined) {
        expect(now).toBeGreaterThanOrEqual(Math.min(before, after) - 1e-6);
        expect(now).toBeLessThanOrEqual(Math.max(before, after) + 1e-6);
      }
    }
  }));
});

test("an arm that turns keeps its length", () => {
  const start = standing();
  const end = moveJoint(moveJoint(start, { part: "body", index: 6 }, -20, 20), LEFT_WRIST, -40, 40);
  const middle = personAt(fillBetween(documentOf(start, wrong, end), 0, [0, 2]), { frame: 1, person: 0 });
  expect(boneLength(middle, [5, 6])).toBeCloseTo(20);
  expect(boneLength(middle, [6, 7])).toBeCloseTo(20);
});

test("joints that were not chosen stay, and a chosen one follows them", () => {
  const now = standing(30, 0);
  const filled = fillBetween(documentOf(standing(), now, standing()), 0, [0, 2], [LEFT_WRIST]);
  const middle = personAt(filled, { frame: 1, person: 0 });
  expect(middle.body[6]).toEqual(now.body[6]);
  expect(middle.body[7]?.x).toBeCloseTo(190);
});

test.each([hideJoints, removeJoints])("a joint that one keyframe lacks is missing between them", (lose) => {
  const filled = fillBetween(documentOf(standing(), wrong, lose(standing(), [LEFT_WRIST])), 0, [0, 2]);
  expect(visiblePoint(personAt(filled, { frame: 1, person: 0 }), LEFT_WRIST)).toBeNull();
});

test("a frame without people gets the person", () => {
  const document = { ...documentOf(standing(), wrong, standing()), frames: [[standing()], [], [standing()]] };
  expectNear(fillBetween(document, 0, [0, 2]).frames[1]?.[0], standing());
});

test("the span around a frame ends at its keyframes", () => {
  expect(spanAround([2, 5, 9], 3)).toEqual([2, 5]);
  expect(spanAround([2, 5, 9], 5)).toEqual([2, 5]);
  expect(spanAround([2, 5, 9], 2)).toEqual([2, 5]);
  expect(spanAround([2, 5, 9], 10)).toBeNull();
  expect(spanAround([2], 2)).toBeNull();
});

test("keyframes are in order, and each is there once", () => {
  fc.assert(fc.property(fc.array(fc.nat(50)), (frames) => {
    const keyframes = frames.reduce<readonly number[]>(addKeyframe, []);
    expect(keyframes).toEqual([...new Set(frames)].sort((one, other) => one - other));
    expect(frames.reduce(toggleKeyframe, keyframes).every((frame) => frames.includes(frame))).toBe(true);
  }));
});
