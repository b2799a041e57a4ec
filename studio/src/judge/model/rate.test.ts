import fc from "fast-check";
import { expect, test } from "vitest";
import { clamp, frameAt, parseRate, sameMoment, seekTime, startOf, timecode, wrap, type Rate } from "./rate.ts";

const RATES = ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001", "60", "12.5", "8"].map(parseRate);
const rates = fc.constantFrom(...RATES);
const frames = fc.integer({ min: 0, max: 200_000 });
/** Ticks per second in which a container stores times, or a browser counts them. */
const timebases = fc.constantFrom(1_000_000, 90_000, 12_800, 15_360, 1000);

test("a frame is found by its stored time, however it is rounded", () => {
  fc.assert(
    fc.property(frames, rates, timebases, (n, rate, ticks) => {
      expect(frameAt(Math.round(startOf(n, rate) * ticks) / ticks, rate)).toBe(n);
    }),
  );
});

test("a frame is found by the time that was sought", () => {
  fc.assert(
    fc.property(frames, rates, timebases, (n, rate, ticks) => {
      expect(frameAt(Math.round(seekTime(n, rate) * ticks) / ticks, rate)).toBe(n);
    }),
  );
});

test("a seek to the middle stays inside the frame", () => {
  fc.assert(
    fc.property(frames, rates, timebases, (n, rate, ticks) => {
      const time = Math.round(seekTime(n, rate) * ticks) / ticks;
      expect(time).toBeGreaterThan(startOf(n, rate));
      expect(time).toBeLessThan(startOf(n + 1, rate));
    }),
  );
});

test("two videos of one rate show the same frame", () => {
  fc.assert(
    fc.property(frames, rates, (n, rate) => {
      const doubled: Rate = { numerator: rate.numerator * 2, denominator: rate.denominator * 2 };
      expect(sameMoment(n, rate, doubled)).toBe(n);
    }),
  );
});

test("of two rates, the other frame is on the screen at that time", () => {
  fc.assert(
    fc.property(frames, rates, rates, (n, rate, other) => {
      const found = sameMoment(n, rate, other);
      expect(startOf(found, other)).toBeLessThanOrEqual(seekTime(n, rate) + 1e-9);
      expect(startOf(found + 1, other)).toBeGreaterThan(seekTime(n, rate) - 1e-9);
    }),
  );
});

test("frames beyond the ends are brought inside", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer({ min: 1, max: 1000 }), (n, count) => {
      for (const inside of [clamp(n, count), wrap(n, count)]) {
        expect(inside).toBeGreaterThanOrEqual(0);
        expect(inside).toBeLessThan(count);
      }
    }),
  );
});

test("a rate is a fraction, an integer or a decimal", () => {
  expect(parseRate("24000/1001")).toEqual({ numerator: 24000, denominator: 1001 });
  expect(parseRate("25")).toEqual({ numerator: 25, denominator: 1 });
  for (const wrong of ["", "0", "-25", "25/0", "fast", "1/0"]) {
    expect(() => parseRate(wrong)).toThrow(RangeError);
  }
});

test("a timecode has minutes and milliseconds", () => {
  expect(timecode(37, parseRate("25"))).toBe("0:01.480");
  expect(timecode(1799, parseRate("30000/1001"))).toBe("1:00.027");
});
