/** People and documents for tests, drawn by fast-check or made by hand, and how they are compared. */

import fc from "fast-check";
import { expect } from "vitest";
import type { Person, Point, Points, PoseDocument } from "./document.ts";
import { PARTS } from "./joints.ts";

export const CANVAS = { width: 200, height: 300 };

const coordinate = fc.double({ min: -50, max: 350, noNaN: true }).map((value) => value + 0); // -0 is 0

const point: fc.Arbitrary<Point> = fc.record({
  x: coordinate,
  y: coordinate,
  confidence: fc.double({ min: 0.01, max: 1, noNaN: true }),
});

function points(count: number): fc.Arbitrary<Points> {
  return fc.array(fc.option(point, { freq: 5 }), { minLength: count, maxLength: count, size: "max" });
}

export const people: fc.Arbitrary<Person> = fc.record({
  body: points(18),
  handLeft: fc.option(points(21)),
  handRight: fc.option(points(21)),
  face: fc.option(fc.constantFrom(68, 70).chain(points)),
});

export const documents: fc.Arbitrary<PoseDocument> = fc.record({
  canvas: fc.constant(CANVAS),
  fps: fc.option(fc.constantFrom(10, 24, 25, 29.97002997002997, 60)),
  frames: fc.array(fc.array(people, { maxLength: 2 }), { minLength: 1, maxLength: 3 }),
});

/** A person who stands with its arms held out, moved by (dx, dy) pixels. */
export function standing(dx = 0, dy = 0): Person {
  const places: readonly (readonly [number, number])[] = [
    [100, 40], [100, 70],
    [80, 70], [60, 70], [40, 70], [120, 70], [140, 70], [160, 70],
    [90, 150], [90, 200], [90, 250], [110, 150], [110, 200], [110, 250],
    [96, 36], [104, 36], [90, 40], [110, 40],
  ];
  const body = places.map(([x, y]) => ({ x: x + dx, y: y + dy, confidence: 0.8 }));
  return { body, handLeft: null, handRight: null, face: null };
}

/** A document with one person in each frame. */
export function documentOf(...frames: Person[]): PoseDocument {
  return { canvas: CANVAS, fps: 10, frames: frames.map((person) => [person]) };
}

/** Compare the positions of people to a thousandth of a pixel. */
export function expectNear(person: Person | undefined, other: Person): void {
  const rounded = (value: number) => Math.round(value * 1000) / 1000 + 0;
  const positions = (parts: Person) =>
    PARTS.map((part) => parts[part]?.map((point) => point && [rounded(point.x), rounded(point.y)]));
  expect(person && positions(person)).toEqual(positions(other));
}
