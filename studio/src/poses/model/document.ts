/** A pose document: the people of each frame. It never changes; edits make another one. */

import type { Joint, Part } from "./joints.ts";

/** A joint that was detected or placed. Coordinates are pixels of the canvas, y down. */
export interface Point {
  readonly x: number;
  readonly y: number;
  /** Above 0, at most 1. */
  readonly confidence: number;
  /** Whether it is kept in its place, but counts as missing. */
  readonly isHidden?: boolean;
}

/** Points of one part; null is a missing joint. */
export type Points = readonly (Point | null)[];

/** One person: 18 joints of the body, 21 of each hand, 68 or 70 of the face; a part may be absent. */
export type Person = Readonly<Record<Part, Points | null>> & { readonly body: Points };

export type Frame = readonly Person[];

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Position {
  readonly x: number;
  readonly y: number;
}

export interface PoseDocument {
  readonly canvas: Size;
  /** Frames per second, or null where the file does not say it. */
  readonly fps: number | null;
  readonly frames: readonly Frame[];
}

/** Where a person is in a document. */
export interface Place {
  readonly frame: number;
  readonly person: number;
}

export const NO_PERSON: Person = {
  body: Array.from({ length: 18 }, () => null),
  handLeft: null,
  handRight: null,
  face: null,
};

/** Return the person at a place, without joints if there is nobody. */
export function personAt(document: PoseDocument, { frame, person }: Place): Person {
  return document.frames[frame]?.[person] ?? NO_PERSON;
}

/** Return a joint's point, hidden or not, or null. */
export function pointOf(person: Person, { part, index }: Joint): Point | null {
  return person[part]?.[index] ?? null;
}

/** Return a joint's point if it counts: neither missing nor hidden. */
export function visiblePoint(person: Person, joint: Joint): Point | null {
  const point = pointOf(person, joint);
  return point?.isHidden === true ? null : point;
}

/**
 * Return the document with another person at a place.
 *
 * Frames and people before it are made where they do not exist, so that one can be added.
 */
export function withPerson(document: PoseDocument, place: Place, person: Person): PoseDocument {
  const people = [...(document.frames[place.frame] ?? [])];
  while (people.length < place.person) {
    people.push(NO_PERSON);
  }
  people[place.person] = person;
  const frames = [...document.frames];
  frames[place.frame] = people;
  return { ...document, frames };
}

/** Return the person with other points for these joints, of parts that the person has. */
export function withPoints(person: Person, changes: Iterable<readonly [Joint, Point | null]>): Person {
  const changed: Partial<Record<Part, (Point | null)[]>> = {};
  for (const [{ part, index }, point] of changes) {
    const points = person[part];
    if (points !== null && index < points.length) {
      (changed[part] ??= [...points])[index] = point;
    }
  }
  return { ...person, ...changed };
}

/** Return all joints that a person's parts have, missing ones too. */
export function jointsOf(person: Person, parts: readonly Part[]): Joint[] {
  return parts.flatMap((part) => (person[part] ?? []).map((_, index) => ({ part, index })));
}

/** Return the mean confidence of a body, 0..1; a missing joint counts as 0. */
export function confidenceOf(person: Person): number {
  const sum = person.body.reduce((total, point) => total + (point?.isHidden ? 0 : (point?.confidence ?? 0)), 0);
  return sum / person.body.length;
}
