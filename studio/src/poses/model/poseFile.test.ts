import fc from "fast-check";
import { expect, test } from "vitest";
import { PoseFileError, readPoseFile, writePoseFile } from "./poseFile.ts";
import { hideJoints } from "./edits.ts";
import { CANVAS, documentOf, documents, standing } from "./testing.ts";

const BODY = Array.from({ length: 54 }, () => 1);
const FRAME = { people: [{ pose_keypoints_2d: BODY }], canvas_width: 20, canvas_height: 30 };

function read(content: unknown) {
  return readPoseFile(JSON.stringify(content));
}

test("what is written is read as it was", () => {
  fc.assert(fc.property(documents, (document) => {
    expect(readPoseFile(writePoseFile(document))).toEqual(document);
  }));
});

test("a motion is marked as cleaned, so that the service leaves it as it is", () => {
  const motion = { ...documentOf(standing(), standing(1)), fps: 10 };
  expect(JSON.parse(writePoseFile(motion))).toMatchObject({ cleaned: true, fps: 10 });
});

test("a hidden joint is written as missing", () => {
  const hidden = hideJoints(standing(), [{ part: "body", index: 4 }]);
  const [people] = readPoseFile(writePoseFile(documentOf(hidden))).frames;
  expect(people?.[0]?.body[4]).toBeNull();
  expect(people?.[0]?.body[3]).toEqual(hidden.body[3]);
});

test("one frame, an array and an object with frames are read", () => {
  const one = { canvas: { width: 20, height: 30 }, fps: null };
  expect(read(FRAME)).toMatchObject(one);
  expect(read([FRAME, FRAME])).toMatchObject(one);
  expect(read({ fps: 12.5, frames: [FRAME] })).toMatchObject({ ...one, fps: 12.5 });
});

test("confidences above 1 are 1, and joints without one are missing", () => {
  const body = [1, 2, 3, 4, 5, 0, 6, 7, -1, ...BODY.slice(9)];
  const person = read({ ...FRAME, people: [{ pose_keypoints_2d: body }] }).frames[0]?.[0];
  expect(person?.body.slice(0, 3)).toEqual([{ x: 1, y: 2, confidence: 1 }, null, null]);
});

test.each([
  ["[", "not JSON"],
  ["[]", "no frames"],
  ["[1]", "frame 0 must be an object"],
  [JSON.stringify({ ...FRAME, canvas_width: 0 }), "canvas_width"],
  [JSON.stringify([FRAME, { ...FRAME, canvas_width: 21 }]), "different canvases"],
  [JSON.stringify({ ...FRAME, people: 1 }), "frame 0: people must be an array"],
  [JSON.stringify({ ...FRAME, people: [{ pose_keypoints_2d: [1, 2, 3] }] }), "must have 54 numbers"],
  [JSON.stringify({ ...FRAME, people: [{ face_keypoints_2d: [1] }] }), "must have 204 or 210 numbers"],
  [JSON.stringify({ fps: 0, frames: [FRAME] }), "fps is 0"],
])("%s is refused: %s", (text, message) => {
  expect(() => readPoseFile(text)).toThrow(PoseFileError);
  expect(() => readPoseFile(text)).toThrow(message);
});

test("a document without people is written with its canvas", () => {
  const empty = { canvas: CANVAS, fps: 25, frames: [[], []] };
  expect(readPoseFile(writePoseFile(empty))).toEqual(empty);
});
