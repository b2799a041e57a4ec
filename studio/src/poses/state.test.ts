import { expect, test } from "vitest";
import { approvedPoses } from "./inputs.ts";
import { moveJoint } from "./model/edits.ts";
import { withPerson, type PoseDocument } from "./model/document.ts";
import { readPoseFile } from "./model/poseFile.ts";
import { documentOf, standing } from "./model/testing.ts";
import { isFitCurrent, reducePoses, START, type Edits, type Found, type PosesEvent, type PosesState } from "./state.ts";

const WRIST = { part: "body", index: 7 } as const;

function found(person: number | null = null): Found {
  return {
    picture: documentOf(standing()),
    driver: documentOf(standing(), standing(1), standing(2), standing(3)),
    analysis: { fps: 10, confidence: [1, 1, 1, 1], repaired: new Map(), outside: [], people: [] },
    person,
    film: null,
    fit: { video: "/jobs/a/fit", warnings: [], params: {} },
  };
}

function after(...events: PosesEvent[]): PosesState {
  return events.reduce(reducePoses, START);
}

const DETECTED: PosesEvent = { kind: "detected", found: found(), label: "Preview" };

function present(state: PosesState): Edits {
  if (state.work === null) {
    throw new Error("nothing was found");
  }
  return state.work.history.present;
}

function moved(document: PoseDocument): PoseDocument {
  return withPerson(document, { frame: 0, person: 0 }, moveJoint(standing(), WRIST, 5, 6));
}

function edited(change: (edits: Edits) => Partial<Edits>): PosesEvent {
  const edits = present(after(DETECTED));
  return { kind: "edited", label: "Edit", edits: { ...edits, ...change(edits) }, joins: false };
}

const PICTURE = edited(({ picture }) => ({ picture: { ...picture, edited: moved(picture.edited) } }));
const DRIVER = edited(({ driver }) => ({ driver: { ...driver, edited: moved(driver.edited), person: 1 } }));
const TRIM = edited(() => ({ trim: { first: 1, end: 3 } }));

test("what was found and not edited is left to the service", () => {
  expect(approvedPoses(present(after(DETECTED)))).toEqual({});
});

test("a pose of the picture that was edited is sent, with the joint where it was put", async () => {
  const { imagePose, ...others } = approvedPoses(present(after(DETECTED, PICTURE)));
  const [people] = readPoseFile((await imagePose?.text()) ?? "").frames;
  expect(people?.[0]?.body[7]).toEqual({ x: 165, y: 76, confidence: 1 });
  expect(others).toEqual({});
});

test("poses of the driver that were edited take the place of the video and of the person", async () => {
  const { driving, ...others } = approvedPoses(present(after(DETECTED, DRIVER)));
  expect(readPoseFile((await driving?.text()) ?? "").frames).toHaveLength(4);
  expect(others).toEqual({});
});

test("a trim is sent in seconds, and a person by its number", () => {
  expect(approvedPoses(present(after(DETECTED, TRIM)))).toEqual({ trim: { start_s: 0.1, end_s: 0.3 } });
  const second: PosesEvent = { kind: "detected", found: found(1), label: "Person 2" };
  expect(approvedPoses(present(after(DETECTED, second)))).toEqual({ person: 1 });
});

test("another person is one step that keeps the picture's pose and the trim", () => {
  const second: PosesEvent = { kind: "detected", found: found(1), label: "Person 2" };
  const before = after(DETECTED, PICTURE);
  const chosen = reducePoses(before, second);
  expect(present(chosen).picture).toBe(present(before).picture);
  expect(present(chosen).driver.person).toBe(1);
  expect(present(reducePoses(chosen, { kind: "undone" }))).toBe(present(before));
});

test("the fit is current until an edit, and again when that is undone", () => {
  const isCurrent = ({ work }: PosesState) => work !== null && isFitCurrent(work, {});
  const changed = after(DETECTED, PICTURE);
  expect([after(DETECTED), changed, reducePoses(changed, { kind: "undone" })].map(isCurrent)).toEqual([true, false, true]);
  const fit = { edits: present(changed), video: "/jobs/b/fit", warnings: [], params: {} };
  expect(isCurrent(reducePoses(changed, { kind: "fitted", fit }))).toBe(true);
});

test("the fit is old when a setting of poses is another", () => {
  const { work } = after(DETECTED);
  expect(work && isFitCurrent(work, { retarget: false })).toBe(false);
});

test("a preview that fails leaves what was found before", () => {
  const trouble = { code: "unknown", detail: "No.", next: "Again.", fields: [] } as const;
  const failed = after(DETECTED, { kind: "started" }, { kind: "failed", trouble });
  expect(failed.run).toEqual({ kind: "failed", trouble });
  expect(present(failed).trim).toEqual({ first: 0, end: 4 });
});

test("edits before anything was found change nothing", () => {
  expect(after({ kind: "undone" }, { kind: "dropped", label: "" }, { kind: "progressed", share: 1 })).toEqual(START);
});
