import { expect, test } from "vitest";
import type { Trouble } from "../api/problems.ts";
import { EMPTY, reduceInput, type InputEvent, type InputState, type Source } from "./input.ts";

const file: Source = { kind: "file", file: new File(["x"], "a.png") };
const address: Source = { kind: "address", url: "https://example.com/a.png" };
const trouble: Trouble = { code: "invalid_image", detail: "No.", next: "Other.", fields: [] };

const after = (...events: InputEvent[]): InputState => events.reduce(reduceInput, EMPTY);

test("a file is sent, then ready under its upload's id", () => {
  const sending = after({ kind: "chosen", source: file }, { kind: "progressed", sent: 0.4 });
  expect(sending).toMatchObject({ kind: "sending", sent: 0.4, isInterrupted: false });
  expect(reduceInput(sending, { kind: "stored", input: "id" })).toMatchObject({ kind: "ready", input: "id" });
});

test("an address is ready at once", () => {
  expect(after({ kind: "chosen", source: address })).toMatchObject({ kind: "ready", input: address.url });
});

test("a broken connection is shown until bytes flow again", () => {
  const broken = after(
    { kind: "chosen", source: file },
    { kind: "progressed", sent: 0.4 },
    { kind: "interrupted" },
  );
  expect(broken).toMatchObject({ isInterrupted: true, sent: 0.4 });
  expect(reduceInput(broken, { kind: "progressed", sent: 0.1 })).toMatchObject({ isInterrupted: false });
});

test("a file that could not be sent is sent again without being chosen again", () => {
  const failed = after({ kind: "chosen", source: file }, { kind: "failed", trouble, canRepeat: true });
  expect(reduceInput(failed, { kind: "repeated" })).toMatchObject({ kind: "sending", source: file });
});

test("a refusal of a ready input keeps its file in view", () => {
  const refused = after(
    { kind: "chosen", source: file },
    { kind: "stored", input: "id" },
    { kind: "failed", trouble, canRepeat: false },
  );
  expect(refused).toMatchObject({ kind: "failed", source: file, trouble, canRepeat: false });
});

test("progress that arrives after the input was removed changes nothing", () => {
  const cleared = after({ kind: "chosen", source: file }, { kind: "cleared", trouble: null });
  expect(reduceInput(cleared, { kind: "progressed", sent: 0.9 })).toEqual(EMPTY);
});
