import fc from "fast-check";
import { expect, test } from "vitest";
import { nextSpeed, reduce, shownFrame, SPEEDS, type Film, type Transport, type TransportAction } from "./transport.ts";

const FILM: Film = { frames: 48, loop: false };
const LOOP: Film = { frames: 48, loop: true };

function after(film: Film, ...actions: TransportAction[]): Transport {
  return actions.reduce<Transport>((state, action) => reduce(state, action, film), { kind: "loading", target: 0 });
}

const actions: fc.Arbitrary<TransportAction> = fc.oneof(
  fc.constantFrom<TransportAction>({ kind: "ended" }, { kind: "play" }, { kind: "pause" }),
  fc.record({ kind: fc.constantFrom("shown", "settled"), frame: fc.integer({ min: 0, max: 47 }) }),
  fc.record({ kind: fc.constant("seek"), frame: fc.integer() }),
  fc.record({ kind: fc.constant("step"), by: fc.integer({ min: -1000, max: 1000 }) }),
);

test("no sequence of actions leaves the film", () => {
  fc.assert(
    fc.property(fc.array(actions), fc.boolean(), (sequence, loop) => {
      const state = after({ frames: 48, loop }, ...sequence);
      expect(shownFrame(state)).toBeGreaterThanOrEqual(0);
      expect(shownFrame(state)).toBeLessThan(48);
    }),
  );
});

test("fast steps add up before the first is on the screen", () => {
  const steps = Array<TransportAction>(3).fill({ kind: "step", by: 1 });
  expect(after(FILM, { kind: "settled", frame: 5 }, ...steps)).toEqual({ kind: "seeking", frame: 5, target: 8 });
});

test("a step at the end stays there, or goes on at the beginning of a loop", () => {
  const atEnd: TransportAction[] = [
    { kind: "settled", frame: 47 },
    { kind: "step", by: 1 },
  ];
  expect(after(FILM, ...atEnd)).toMatchObject({ target: 47 });
  expect(after(LOOP, ...atEnd)).toMatchObject({ target: 0 });
  expect(after(LOOP, { kind: "settled", frame: 0 }, { kind: "step", by: -1 })).toMatchObject({ target: 47 });
});

test("a seek settles on the frame that the video reports, even if that is another", () => {
  const state = after(FILM, { kind: "settled", frame: 0 }, { kind: "seek", frame: 9 }, { kind: "settled", frame: 8 });
  expect(state).toEqual({ kind: "paused", frame: 8 });
});

test("playing at the end starts at the beginning", () => {
  expect(after(FILM, { kind: "settled", frame: 47 }, { kind: "play" })).toEqual({ kind: "playing", frame: 0 });
  expect(after(FILM, { kind: "settled", frame: 0 }, { kind: "play" }, { kind: "ended" })).toMatchObject({
    kind: "seeking",
    target: 47,
  });
});

test("a pause seeks to the frame on the screen, so that all pictures agree", () => {
  const paused = after(
    FILM,
    { kind: "settled", frame: 0 },
    { kind: "play" },
    { kind: "shown", frame: 12 },
    { kind: "pause" },
  );
  expect(paused).toEqual({ kind: "seeking", frame: 12, target: 12 });
});

test("a failed player stays failed", () => {
  expect(after(FILM, { kind: "failed" }, { kind: "play" }, { kind: "settled", frame: 3 })).toEqual({ kind: "failed" });
});

test("speeds stop at the ends of the list", () => {
  expect(nextSpeed(1, 1)).toBe(1.5);
  expect(nextSpeed(1, -1)).toBe(0.5);
  expect(nextSpeed(SPEEDS[0], -1)).toBe(SPEEDS[0]);
  expect(nextSpeed(2, 1)).toBe(2);
});
