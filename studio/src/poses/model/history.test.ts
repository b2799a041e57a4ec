import fc from "fast-check";
import { expect, test } from "vitest";
import { cancelDraft, commit, draftState, dropDraft, redo, shownState, startHistory, undo, type History } from "./history.ts";

const edits = fc.array(fc.string({ minLength: 1 }), { minLength: 1 });

function edited(steps: readonly string[]): History<string> {
  return steps.reduce((history, step) => commit(history, step, history.present + step), startHistory(""));
}

function repeated(count: number, change: (history: History<string>) => History<string>, from: History<string>) {
  return Array.from({ length: count }).reduce<History<string>>(change, from);
}

test("as many undos as edits lead to the start, and as many redos back", () => {
  fc.assert(fc.property(edits, (steps) => {
    const done = edited(steps);
    const undone = repeated(steps.length, undo, done);
    expect(undone.present).toBe("");
    expect(repeated(steps.length, redo, undone)).toEqual(done);
  }));
});

test("undo at the start and redo at the end change nothing", () => {
  fc.assert(fc.property(edits, (steps) => {
    const done = edited(steps);
    expect(redo(done)).toEqual(done);
    expect(undo(startHistory(""))).toEqual(startHistory(""));
  }));
});

test("a drag is one step, however many positions it passes", () => {
  fc.assert(fc.property(edits, edits, (before, positions) => {
    const start = edited(before);
    const dragged = positions.reduce((history, position) => draftState(history, position), start);
    expect(shownState(dragged)).toBe(positions.at(-1));
    const dropped = dropDraft(dragged, "drag");
    expect(dropped.past.length - start.past.length).toBe(positions.at(-1) === start.present ? 0 : 1);
    expect(undo(dropped).present).toBe(dropped.present === start.present ? undo(start).present : start.present);
  }));
});

test("a canceled drag leaves no trace", () => {
  const start = edited(["a"]);
  expect(cancelDraft(draftState(start, "elsewhere"))).toEqual(start);
});

test("an edit after an undo ends what could be done again", () => {
  const other = commit(undo(edited(["a", "b"])), "c", "ac");
  expect(other.future).toEqual([]);
  expect(undo(other).present).toBe("a");
});

test("the repeats of a held key join its first step", () => {
  const pressed = commit(edited(["a"]), "move", "ab");
  const held = commit(commit(pressed, "move", "abb", true), "move", "abbb", true);
  expect(undo(held).present).toBe("a");
  expect(redo(undo(held)).present).toBe("abbb");
});

test("an edit that changes nothing is no step", () => {
  const start = edited(["a"]);
  expect(commit(start, "nothing", start.present)).toEqual(start);
});
