import fc from "fast-check";
import { expect, test } from "vitest";
import { visiblePoint, withPerson, personAt } from "./document.ts";
import {
  addHand, addJoint, hideJoints, limbOf, mirrorHand, mirrorPerson, moveJoint, movePart, placeJoint, removeJoints,
  removePart, showJoints, swapSides,
} from "./edits.ts";
import { withJointsBeyond, type Joint } from "./joints.ts";
import { CANVAS, documentOf, expectNear, people, standing } from "./testing.ts";

const NOSE: Joint = { part: "body", index: 0 };
const LEFT_ELBOW: Joint = { part: "body", index: 6 };
const LEFT_WRIST: Joint = { part: "body", index: 7 };
const bodyJoint = fc.nat(17).map((index): Joint => ({ part: "body", index }));
const pixels = fc.integer({ min: -500, max: 500 });

test("a joint that is moved and moved back is where it was", () => {
  fc.assert(fc.property(people, bodyJoint, pixels, pixels, (person, joint, dx, dy) => {
    expectNear(moveJoint(moveJoint(person, joint, dx, dy), joint, -dx, -dy), person);
  }));
});

test("a moved joint moves alone, but for a hand and a face", () => {
  fc.assert(fc.property(people, bodyJoint, (person, joint) => {
    const moved = moveJoint(person, joint, 3, 4);
    const others = person.body.map((_, index) => index).filter((index) => index !== joint.index);
    expect(others.map((index) => moved.body[index])).toEqual(others.map((index) => person.body[index]));
    expect(moved.handLeft === person.handLeft || joint.index === 7).toBe(true);
    expect(moved.face === person.face || joint.index === 0).toBe(true);
  }));
});

test("a wrist takes its hand along", () => {
  const person = addHand(standing(), "handLeft", CANVAS);
  const moved = moveJoint(person, LEFT_WRIST, 10, -5);
  expect(moved.handLeft).toEqual(movePart(person, "handLeft", 10, -5).handLeft);
  expect(moved.body[7]).toEqual({ x: 170, y: 65, confidence: 1 });
});

test("hidden joints count as missing, and are shown again in their places", () => {
  fc.assert(fc.property(people, bodyJoint, (person, joint) => {
    const hidden = hideJoints(person, [joint]);
    expect(visiblePoint(hidden, joint)).toBeNull();
    expect(showJoints(hidden, [joint])).toEqual(person);
  }));
});

test("hiding and removing what is missing changes nothing", () => {
  fc.assert(fc.property(people, bodyJoint, (person, joint) => {
    const removed = removeJoints(person, [joint]);
    expect(removeJoints(removed, [joint])).toBe(removed);
    expect(hideJoints(removed, [joint])).toBe(removed);
  }));
});

test("an arm is removed with its hand", () => {
  const person = addHand(standing(), "handLeft", CANVAS);
  const removed = removeJoints(person, limbOf(person, LEFT_ELBOW));
  expect([6, 7].map((index) => removed.body[index])).toEqual([null, null]);
  expect(removed.handLeft?.every((point) => point === null)).toBe(true);
  expect(removed.body[5]).toEqual(person.body[5]);
});

test("everything hangs on the neck", () => {
  expect(withJointsBeyond({ part: "body", index: 1 })).toHaveLength(18 + 2 * 21 + 70);
});

test("a missing joint is added as the other side has it", () => {
  const person = removeJoints(standing(), [LEFT_WRIST]);
  expect(addJoint(person, LEFT_WRIST, CANVAS).body[7]).toEqual({ x: 160, y: 70, confidence: 1 });
});

test("a missing joint is added inside the canvas or next to its neighbour", () => {
  const nobody = removeJoints(standing(), limbOf(standing(), { part: "body", index: 1 }));
  expect(addJoint(nobody, NOSE, CANVAS).body[0]).toMatchObject({ x: 100, y: 150 });
});

test("a joint is placed where it is asked for", () => {
  fc.assert(fc.property(people, bodyJoint, pixels, pixels, (person, joint, x, y) => {
    const placed = placeJoint(person, joint, { x, y }).body[joint.index];
    expect(placed?.x).toBeCloseTo(x, 6);
    expect(placed?.y).toBeCloseTo(y, 6);
    expect(placed?.confidence).toBe(1);
  }));
});

test("exchanging sides twice gives the same person", () => {
  fc.assert(fc.property(people, (person) => {
    expect(swapSides(swapSides(person))).toEqual(person);
  }));
});

test("mirroring twice gives the same person", () => {
  fc.assert(fc.property(people, (person) => {
    expectNear(mirrorPerson(mirrorPerson(person)), person);
    expectNear(mirrorHand(mirrorHand(person, "handLeft"), "handLeft"), person);
  }));
});

test("a mirrored person keeps its left hand", () => {
  const person = addHand(standing(), "handLeft", CANVAS);
  const mirrored = mirrorPerson(person);
  expect(mirrored.handLeft).toBeNull();
  expect(mirrored.handRight?.[0]?.x).toBeCloseTo(mirrored.body[4]?.x ?? NaN);
});

test("a hand is added at its wrist and removed", () => {
  const person = addHand(standing(), "handRight", CANVAS);
  expect(person.handRight?.[0]).toEqual({ x: 40, y: 70, confidence: 1 });
  expect(Math.max(...(person.handRight ?? []).map((point) => point?.x ?? 0))).toBeLessThanOrEqual(40);
  expect(removePart(person, "handRight").handRight).toBeNull();
});

test("an edit leaves the other frames as they are", () => {
  const document = documentOf(standing(), standing(5));
  const edited = withPerson(document, { frame: 1, person: 0 }, swapSides(standing(5)));
  expect(edited.frames[0]).toBe(document.frames[0]);
  expect(personAt(edited, { frame: 1, person: 0 })).toEqual(swapSides(standing(5)));
});
