import fc from "fast-check";
import { expect, test } from "vitest";
import {
  defaultSettings,
  keyOf,
  MODES,
  readSettings,
  sidesOf,
  withOffset,
  writeSettings,
  type Picture,
  type PlayerSettings,
} from "./settings.ts";
import { CELLS } from "./sides.ts";
import { SPEEDS } from "./transport.ts";

const JOBS = 3;
const pictures: fc.Arbitrary<Picture> = fc.record({
  job: fc.integer({ min: 0, max: JOBS - 1 }),
  cell: fc.constantFrom(...CELLS),
});
const settings: fc.Arbitrary<PlayerSettings> = fc.record({
  mode: fc.constantFrom(...MODES.filter((mode) => mode !== "result")),
  cells: fc.subarray([...CELLS], { minLength: 1 }),
  left: pictures,
  right: pictures,
  wipe: fc.integer({ min: 0, max: 100 }),
  offsets: fc.dictionary(
    pictures.map(keyOf),
    fc.integer({ min: -99, max: 99 }).filter((offset) => offset !== 0),
  ),
  speed: fc.constantFrom(...SPEEDS),
  loop: fc.boolean(),
  skeleton: fc.boolean(),
});

test("settings survive the address of the page", () => {
  fc.assert(
    fc.property(settings, (chosen) => {
      const query = new URLSearchParams("compare=a,b,c");
      writeSettings(query, chosen, JOBS);
      expect(readSettings(new URLSearchParams(query.toString()), JOBS)).toEqual(chosen);
    }),
  );
});

test("an address that somebody wrote has settings too", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.constantFrom("mode", "cells", "left", "offset", "wipe", "speed"), fc.string()),
      (fields) => {
        const read = readSettings(new URLSearchParams(fields), 1);
        expect(MODES).toContain(read.mode);
        expect(read.cells.length).toBeGreaterThan(0);
        expect(read.wipe).toBeGreaterThanOrEqual(0);
      },
    ),
  );
});

test("defaults leave no trace in the address", () => {
  const query = new URLSearchParams("job=a&mode=wipe");
  writeSettings(query, defaultSettings(1), 1);
  expect(query.toString()).toBe("job=a");
});

test("an offset of 0 is no offset", () => {
  const moved = withOffset(defaultSettings(1), { job: 0, cell: "driver" }, 1);
  expect(moved.offsets).toEqual({ "0.driver": 1 });
  expect(withOffset(moved, { job: 0, cell: "driver" }, 0).offsets).toEqual({});
});

test("compared jobs show their results side by side", () => {
  expect(sidesOf(defaultSettings(2), 2)).toEqual([
    { job: 0, cell: "result", offset: 0 },
    { job: 1, cell: "result", offset: 0 },
  ]);
});
