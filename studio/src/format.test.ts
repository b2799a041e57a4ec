import { expect, test } from "vitest";
import { duration, fileSize, percent } from "./format.ts";

test.each([
  [0.2, "1 s"],
  [59.4, "59 s"],
  [80, "1 min 20 s"],
  [120, "2 min"],
  [7500, "2 h 5 min"],
])("%d seconds are %s", (seconds, text) => {
  expect(duration(seconds)).toBe(text);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [2_400_000, "2.4 MB"],
  [310_000_000, "310 MB"],
])("%d bytes are %s", (bytes, text) => {
  expect(fileSize(bytes)).toBe(text);
});

test("100 % is shown only at the end", () => {
  expect(percent(0.999)).toBe(99);
  expect(percent(1)).toBe(100);
});
