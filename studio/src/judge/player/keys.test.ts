import { expect, test } from "vitest";
import { commandOf } from "./keys.ts";

const PLAIN = { ctrlKey: false, altKey: false, metaKey: false, shiftKey: false };

test("arrows step by a frame, with Shift by ten", () => {
  expect(commandOf({ ...PLAIN, key: "ArrowRight" }, "other")).toEqual({ kind: "step", by: 1 });
  expect(commandOf({ ...PLAIN, key: "ArrowLeft", shiftKey: true }, "button")).toEqual({ kind: "step", by: -10 });
});

test("a focused field keeps its own keys", () => {
  expect(commandOf({ ...PLAIN, key: "ArrowRight" }, "slider")).toBeUndefined();
  expect(commandOf({ ...PLAIN, key: "." }, "slider")).toEqual({ kind: "step", by: 1 });
  expect(commandOf({ ...PLAIN, key: " " }, "button")).toBeUndefined();
  expect(commandOf({ ...PLAIN, key: "k" }, "text")).toBeUndefined();
});

test("keys with Ctrl, Alt or Meta are the browser's", () => {
  expect(commandOf({ ...PLAIN, key: "l", ctrlKey: true }, "other")).toBeUndefined();
});

test("digits choose the view", () => {
  expect(commandOf({ ...PLAIN, key: "3" }, "other")).toEqual({ kind: "mode", mode: "wipe" });
});

test("a question mark shows the keys", () => {
  expect(commandOf({ ...PLAIN, key: "?", shiftKey: true }, "button")).toEqual({ kind: "keys" });
});
