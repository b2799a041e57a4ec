/** Edits of one person: each returns another person, or the same one if nothing changes. */

import { NO_PERSON, pointOf, visiblePoint, withPoints, type Person, type Point, type Points, type Position, type Size } from "./document.ts";
import { ANCHORS, CARRIED, CARRIER, ELBOW, MIRRORED, PARTS, withJointsBeyond, type Joint, type Part } from "./joints.ts";

/** Confidence of a joint that a person placed. */
export const PLACED = 1;

export type Hand = "handLeft" | "handRight";

/**
 * Move a joint by (dx, dy) pixels. A wrist takes its hand along, and the nose the face.
 *
 * A moved joint was placed by a person: its confidence becomes 1.
 */
export function moveJoint(person: Person, joint: Joint, dx: number, dy: number): Person {
  const carried = joint.part === "body" ? CARRIED.get(joint.index) : undefined;
  const moved = carried === undefined ? person : movePart(person, carried, dx, dy);
  return changed(moved, [joint], (point) => ({ ...shifted(point, dx, dy), confidence: PLACED }));
}

/** Move all points of a hand or the face by (dx, dy) pixels. */
export function movePart(person: Person, part: Part, dx: number, dy: number): Person {
  return changed(person, all(person, part), (point) => shifted(point, dx, dy));
}

/** Place a joint at a position, wherever it was, or if it was missing. */
export function placeJoint(person: Person, joint: Joint, { x, y }: Position): Person {
  const now = pointOf(person, joint);
  if (now !== null && now.isHidden !== true) {
    return moveJoint(person, joint, x - now.x, y - now.y);
  }
  return withPoints(person, [[joint, { x, y, confidence: PLACED }]]);
}

/** Hide joints: they keep their places, and count as missing. */
export function hideJoints(person: Person, joints: readonly Joint[]): Person {
  return changed(person, joints, (point) => (point.isHidden === true ? point : { ...point, isHidden: true }));
}

/** Show hidden joints again. */
export function showJoints(person: Person, joints: readonly Joint[]): Person {
  return changed(person, joints, (point) => {
    const { isHidden, ...shown } = point;
    return isHidden === true ? shown : point;
  });
}

/** Remove joints: they are missing then. */
export function removeJoints(person: Person, joints: readonly Joint[]): Person {
  return changed(person, joints, () => null);
}

/** Return a joint with all that hang on it, such as the whole arm of a shoulder, as far as they exist. */
export function limbOf(person: Person, joint: Joint): Joint[] {
  return withJointsBeyond(joint).filter((each) => pointOf(person, each) !== null);
}

/**
 * Add a missing joint where it probably is.
 *
 * It is placed as the same joint of the other side is, else next to the joint on which it hangs, else
 * in the middle of the canvas.
 */
export function addJoint(person: Person, joint: Joint, canvas: Size): Person {
  return placeJoint(person, joint, probablePosition(person, joint, canvas));
}

/** Return a person who stands in the middle of the canvas, for a picture in which none was found. */
export function standingPerson({ width, height }: Size): Person {
  const body = STANDING.map(([x, y]) => ({
    x: width / 2 + (x * height) / 100,
    y: (y * height) / 100,
    confidence: PLACED,
  }));
  return { ...NO_PERSON, body };
}

/** Add a hand, open, in the direction of the forearm. */
export function addHand(person: Person, hand: Hand, canvas: Size): Person {
  const wrist = pointOf(person, { part: "body", index: CARRIER[hand] });
  const elbow = pointOf(person, { part: "body", index: ELBOW[hand] });
  const origin = wrist ?? { x: canvas.width / 2, y: canvas.height / 2 };
  const forearm = wrist !== null && elbow !== null ? { x: wrist.x - elbow.x, y: wrist.y - elbow.y } : null;
  const length = forearm === null ? canvas.height / 10 : Math.hypot(forearm.x, forearm.y);
  const along = forearm === null ? { x: 0, y: length } : forearm;
  const across = hand === "handLeft" ? 1 : -1;
  const points = OPEN_HAND.map(([out, side]) => ({
    x: origin.x + HAND_SIZE * (out * along.x - across * side * along.y),
    y: origin.y + HAND_SIZE * (out * along.y + across * side * along.x),
    confidence: PLACED,
  }));
  return { ...person, [hand]: points };
}

/** Remove a hand or the face. */
export function removePart(person: Person, part: Exclude<Part, "body">): Person {
  return person[part] === null ? person : { ...person, [part]: null };
}

/** Exchange left and right, for a detector that took the back of a person for the front. */
export function swapSides(person: Person): Person {
  return {
    ...person,
    body: MIRRORED.map((index) => person.body[index] ?? null),
    handLeft: person.handRight,
    handRight: person.handLeft,
  };
}

/** Mirror a person about the vertical line through its middle; its left hand stays its left hand. */
export function mirrorPerson(person: Person): Person {
  const axis = middleX(PARTS.flatMap((part) => person[part] ?? []));
  const { face, ...turned } = swapSides(person);
  return {
    body: mirrored(turned.body, axis),
    handLeft: turned.handLeft && mirrored(turned.handLeft, axis),
    handRight: turned.handRight && mirrored(turned.handRight, axis),
    face: face && mirrored(face, axis),
  };
}

/** Mirror a hand about the vertical line through its wrist: the back of the hand becomes its palm. */
export function mirrorHand(person: Person, hand: Hand): Person {
  const points = person[hand];
  if (points === null) {
    return person;
  }
  const axis = points[0]?.x ?? middleX(points);
  return { ...person, [hand]: mirrored(points, axis) };
}

// Share of the forearm's length, and each point of a left hand that is open and seen from its back:
// (along the forearm, across it), in lengths of the hand.
const HAND_SIZE = 0.7;
const OPEN_HAND: readonly (readonly [number, number])[] = [
  [0, 0],
  [0.15, 0.2], [0.3, 0.34], [0.42, 0.42], [0.53, 0.48],
  [0.5, 0.16], [0.68, 0.19], [0.79, 0.2], [0.89, 0.21],
  [0.52, 0.03], [0.74, 0.03], [0.87, 0.03], [1, 0.03],
  [0.5, -0.09], [0.69, -0.11], [0.82, -0.12], [0.94, -0.13],
  [0.46, -0.2], [0.6, -0.24], [0.69, -0.26], [0.78, -0.28],
];

// The joints of a person seen from the front, in hundredths of the canvas's height: x from its middle.
const STANDING: readonly (readonly [number, number])[] = [
  [0, 16], [0, 25],
  [-8, 25], [-11, 38], [-13, 50], [8, 25], [11, 38], [13, 50],
  [-5, 52], [-6, 71], [-6, 90], [5, 52], [6, 71], [6, 90],
  [-2, 14], [2, 14], [-4, 15], [4, 15],
];

// Share of the canvas's height between a joint and a joint that is placed next to it.
const NEXT_TO = 0.05;

function probablePosition(person: Person, joint: Joint, canvas: Size): Position {
  const anchor = ANCHORS[joint.part][joint.index] ?? null;
  const from = anchor && visiblePoint(person, anchor);
  if (anchor === null || from === null) {
    return { x: canvas.width / 2, y: canvas.height / 2 };
  }
  const other = joint.part === "body" && visiblePoint(person, mirroredJoint(joint));
  const otherAnchor = other && visiblePoint(person, mirroredJoint(anchor));
  if (other && otherAnchor) {
    return { x: from.x - (other.x - otherAnchor.x), y: from.y + (other.y - otherAnchor.y) };
  }
  return { x: from.x, y: from.y + NEXT_TO * canvas.height };
}

function mirroredJoint({ part, index }: Joint): Joint {
  return { part, index: MIRRORED[index] ?? index };
}

function changed(person: Person, joints: readonly Joint[], change: (point: Point) => Point | null): Person {
  const changes = joints.flatMap((joint) => {
    const point = pointOf(person, joint);
    const next = point && change(point);
    return next === point ? [] : [[joint, next] as const];
  });
  return changes.length === 0 ? person : withPoints(person, changes);
}

function all(person: Person, part: Part): Joint[] {
  return (person[part] ?? []).map((_, index) => ({ part, index }));
}

function shifted(point: Point, dx: number, dy: number): Point {
  return { ...point, x: point.x + dx, y: point.y + dy };
}

function mirrored(points: Points, axis: number): Points {
  return points.map((point) => point && { ...point, x: 2 * axis - point.x });
}

function middleX(points: Points): number {
  const xs = points.flatMap((point) => (point === null ? [] : [point.x]));
  return xs.length === 0 ? 0 : (Math.min(...xs) + Math.max(...xs)) / 2;
}
