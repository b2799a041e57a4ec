import { expect, test } from "vitest";
import { inputFor, sortFiles } from "./sort.ts";

test.each([
  ["a.png", "image/png", "picture"],
  ["dance.mp4", "video/mp4", "driver"],
  ["dance.gif", "image/gif", "driver"],
  ["poses.json", "application/json", "driver"],
  ["poses.zip", "application/zip", "driver"],
  ["scan.tiff", "", "picture"],
  ["clip.mkv", "", "driver"],
  ["notes.txt", "text/plain", null],
])("%s is for %s → %s", (name, type, input) => {
  expect(inputFor({ name, type }, null)).toBe(input);
});

test("two pictures are the picture and an animated driver", () => {
  const files = [new File([], "a.webp", { type: "image/webp" }), new File([], "b.webp", { type: "image/webp" })];
  expect(sortFiles(files)).toEqual(
    new Map([
      ["picture", files[0]],
      ["driver", files[1]],
    ]),
  );
});

test("a file of another kind is named", () => {
  expect(sortFiles([new File([], "notes.txt")])).toEqual({ unknown: "notes.txt" });
});
