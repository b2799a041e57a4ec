import fc from "fast-check";
import { expect, test } from "vitest";
import { CORNERS, largest, moved, type Box, type Handle } from "./box.ts";

const picture = { width: 400, height: 300 };
const whole: Box = { x: 0, y: 0, ...picture };

test("a corner moves, and the opposite one stays", () => {
  expect(moved(whole, "nw", 100, 50, picture, null)).toEqual({ x: 100, y: 50, width: 300, height: 250 });
  expect(moved(whole, "se", -100, -50, picture, null)).toEqual({ x: 0, y: 0, width: 300, height: 250 });
});

test("with an aspect both sides follow the pointer", () => {
  const square = largest(whole, picture, 1);
  expect(square).toEqual({ x: 50, y: 0, width: 300, height: 300 });
  expect(moved(square, "se", -10, 0, picture, 1)).toEqual({ x: 50, y: 0, width: 290, height: 290 });
  expect(moved(square, "se", 0, -20, picture, 1)).toEqual({ x: 50, y: 0, width: 280, height: 280 });
});

test("the whole frame moves within the picture", () => {
  const box = { x: 50, y: 0, width: 300, height: 300 };
  expect(moved(box, "all", 1000, -1000, picture, null)).toEqual({ ...box, x: 100 });
});

test("whatever is moved, the box stays in the picture, with whole pixels", () => {
  const size = fc.record({ width: fc.integer({ min: 1, max: 5000 }), height: fc.integer({ min: 1, max: 5000 }) });
  const step = fc.tuple(
    fc.constantFrom<Handle>("all", ...CORNERS),
    fc.double({ min: -6000, max: 6000, noNaN: true }),
    fc.double({ min: -6000, max: 6000, noNaN: true }),
  );
  const aspect = fc.option(fc.double({ min: 0.1, max: 10, noNaN: true }));
  fc.assert(
    fc.property(size, fc.array(step, { maxLength: 5 }), aspect, (bounds, steps, wanted) => {
      let box = largest({ x: 0, y: 0, ...bounds }, bounds, wanted);
      for (const [handle, dx, dy] of steps) {
        box = moved(box, handle, dx, dy, bounds, wanted);
      }
      const { x, y, width, height } = box;
      expect([x, y, width, height].every(Number.isInteger)).toBe(true);
      expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
      expect(Math.min(width, height)).toBeGreaterThanOrEqual(1);
      expect(x + width).toBeLessThanOrEqual(bounds.width);
      expect(y + height).toBeLessThanOrEqual(bounds.height);
    }),
  );
});
