/** Mending of frames between keyframes. */

import { personAt, visiblePoint, withPerson, withPoints, type Person, type Point, type PoseDocument, type Position } from "./document.ts";
import { ANCHORS, anchorsFirst, isSameJoint, type Joint } from "./joints.ts";

/** Numbers of the frames that are right, in order. */
export type Keyframes = readonly number[];

/** Return the keyframes with a frame, or without it if it is one. */
export function toggleKeyframe(keyframes: Keyframes, frame: number): Keyframes {
  return keyframes.includes(frame)
    ? keyframes.filter((each) => each !== frame)
    : addKeyframe(keyframes, frame);
}

/** Return the keyframes with a frame. */
export function addKeyframe(keyframes: Keyframes, frame: number): Keyframes {
  return keyframes.includes(frame) ? keyframes : [...keyframes, frame].sort((one, other) => one - other);
}

/**
 * Return the keyframes around a frame, or null unless there is one on each side.
 *
 * A frame that is a keyframe ends the span behind the keyframe before it; the first one begins it.
 */
export function spanAround(keyframes: Keyframes, frame: number): readonly [number, number] | null {
  const before = keyframes.filter((each) => each < frame).at(-1);
  const after = keyframes.find((each) => each >= frame);
  if (before !== undefined && after !== undefined) {
    return [before, after];
  }
  const next = keyframes.find((each) => each > frame);
  return keyframes.includes(frame) && next !== undefined ? [frame, next] : null;
}

/**
 * Interpolate joints of one person in all frames between two keyframes.
 *
 * Each joint keeps the direction and the distance to the joint on which it hangs, which turn and grow
 * evenly from one keyframe to the other, so that limbs do not shrink. Its confidence is the lower one
 * of the two; a joint that one of them lacks is missing between them.
 *
 * @param person Number of the person in each frame.
 * @param joints Only these; all when absent.
 */
export function fillBetween(
  document: PoseDocument,
  person: number,
  [from, to]: readonly [number, number],
  joints?: readonly Joint[],
): PoseDocument {
  const start = personAt(document, { frame: from, person });
  const end = personAt(document, { frame: to, person });
  const chosen = anchorsFirst().filter((joint) => joints?.some((each) => isSameJoint(each, joint)) ?? true);
  let filled = document;
  for (let frame = from + 1; frame < to; frame += 1) {
    const place = { frame, person };
    const now = withPartsOf(personAt(filled, place), start, end);
    filled = withPerson(filled, place, between(start, end, now, (frame - from) / (to - from), chosen));
  }
  return filled;
}

/** Return a person that has the hands and the face that both others have. */
function withPartsOf(person: Person, start: Person, end: Person): Person {
  const missing = (part: "handLeft" | "handRight" | "face") =>
    person[part] ?? (end[part] && (start[part]?.map(() => null) ?? null));
  return { ...person, handLeft: missing("handLeft"), handRight: missing("handRight"), face: missing("face") };
}

function between(start: Person, end: Person, now: Person, share: number, joints: readonly Joint[]): Person {
  let person = now;
  for (const joint of joints) {
    person = withPoints(person, [[joint, interpolated(start, end, person, share, joint)]]);
  }
  return person;
}

function interpolated(start: Person, end: Person, now: Person, share: number, joint: Joint): Point | null {
  const [one, other] = [visiblePoint(start, joint), visiblePoint(end, joint)];
  if (one === null || other === null) {
    return null;
  }
  const confidence = Math.min(one.confidence, other.confidence);
  const anchor = ANCHORS[joint.part][joint.index] ?? null;
  const [a, b, c] = [start, end, now].map((person) => anchor && visiblePoint(person, anchor));
  if (a && b && c) {
    const turned = turn(difference(one, a), difference(other, b), share);
    return { x: c.x + turned.x, y: c.y + turned.y, confidence };
  }
  return { x: mix(one.x, other.x, share), y: mix(one.y, other.y, share), confidence };
}

/** Return the vector between two, turned the shorter way. */
function turn(one: Position, other: Position, share: number): Position {
  const length = mix(Math.hypot(one.x, one.y), Math.hypot(other.x, other.y), share);
  const angle = Math.atan2(one.y, one.x);
  const full = Math.atan2(other.y, other.x) - angle;
  const shorter = full - 2 * Math.PI * Math.round(full / (2 * Math.PI));
  return { x: length * Math.cos(angle + share * shorter), y: length * Math.sin(angle + share * shorter) };
}

function difference(one: Position, other: Position): Position {
  return { x: one.x - other.x, y: one.y - other.y };
}

function mix(one: number, other: number, share: number): number {
  return one + share * (other - one);
}
