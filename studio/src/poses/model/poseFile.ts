/**
 * The project's pose files: an array of frames, `{"fps": F, "frames": [...]}`, or one frame.
 *
 * The service reads what other programs write; this page reads what the service writes.
 */

import { NO_PERSON, type Frame, type Person, type Point, type Points, type PoseDocument, type Size } from "./document.ts";
import { FACE_COUNTS, NUM_HAND_JOINTS, PARTS, type Part } from "./joints.ts";

/** A pose file that cannot be read; the message has the place, the value and what is allowed. */
export class PoseFileError extends Error {}

const FIELDS: Readonly<Record<Part, string>> = {
  body: "pose_keypoints_2d",
  handLeft: "hand_left_keypoints_2d",
  handRight: "hand_right_keypoints_2d",
  face: "face_keypoints_2d",
};
const COUNTS: Readonly<Record<Part, readonly number[]>> = {
  body: [NO_PERSON.body.length],
  handLeft: [NUM_HAND_JOINTS],
  handRight: [NUM_HAND_JOINTS],
  face: FACE_COUNTS,
};

type Fields = Readonly<Record<string, unknown>>;

/** Read a pose file. Throws PoseFileError. */
export function readPoseFile(text: string): PoseDocument {
  const content = parsed(text);
  const isDocument = isObject(content) && Array.isArray(content["frames"]);
  const frames: unknown[] = isDocument ? (content["frames"] as unknown[]) : Array.isArray(content) ? content : [content];
  if (frames.length === 0) {
    throw new PoseFileError("the pose file has no frames; it needs at least one");
  }
  return {
    fps: isDocument ? rate(content["fps"]) : null,
    canvas: canvas(frames),
    frames: frames.map(readFrame),
  };
}

/**
 * Return the text of a pose file, whose motion the service uses as it is.
 *
 * Missing and hidden joints are written as zeros.
 */
export function writePoseFile({ canvas: { width, height }, fps, frames }: PoseDocument): string {
  const content = frames.map((people) => ({
    people: people.map((person) =>
      Object.fromEntries(PARTS.map((part) => [FIELDS[part], numbers(person[part])])),
    ),
    canvas_width: width,
    canvas_height: height,
  }));
  return JSON.stringify(fps === null ? content : { cleaned: true, fps, frames: content });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new PoseFileError("the pose file is not JSON", { cause: error });
  }
}

function rate(fps: unknown): number | null {
  if (fps === undefined || fps === null) {
    return null;
  }
  if (typeof fps !== "number" || !(fps > 0)) {
    throw new PoseFileError(`fps is ${JSON.stringify(fps)}; it must be a number above 0`);
  }
  return fps;
}

function canvas(frames: readonly unknown[]): Size {
  const [first, ...others] = frames.map((frame, index) => frameSize(frame, `frame ${index}`));
  const other = others.find(({ width, height }) => width !== first?.width || height !== first.height);
  if (first === undefined || other !== undefined) {
    throw new PoseFileError("the frames have different canvases; all must share one size");
  }
  return first;
}

function frameSize(frame: unknown, where: string): Size {
  const { canvas_width: width, canvas_height: height } = object(frame, where);
  if (typeof width !== "number" || typeof height !== "number" || !(width > 0) || !(height > 0)) {
    throw new PoseFileError(`${where}: canvas_width and canvas_height must be numbers above 0`);
  }
  return { width, height };
}

function readFrame(frame: unknown, index: number): Frame {
  const people = object(frame, `frame ${index}`)["people"];
  if (!Array.isArray(people)) {
    throw new PoseFileError(`frame ${index}: people must be an array`);
  }
  return people.map((person, number) => readPerson(person, `frame ${index}, person ${number}`));
}

function readPerson(person: unknown, where: string): Person {
  const fields = object(person, where);
  return {
    body: points(fields, "body", where) ?? NO_PERSON.body,
    handLeft: points(fields, "handLeft", where),
    handRight: points(fields, "handRight", where),
    face: points(fields, "face", where),
  };
}

function points(fields: Fields, part: Part, where: string): Points | null {
  const values = fields[FIELDS[part]];
  if (values === undefined || values === null || (Array.isArray(values) && values.length === 0)) {
    return null;
  }
  if (!Array.isArray(values) || !COUNTS[part].some((count) => values.length === 3 * count)) {
    const allowed = COUNTS[part].map((count) => 3 * count).join(" or ");
    throw new PoseFileError(`${where}: ${FIELDS[part]} must have ${allowed} numbers`);
  }
  return Array.from({ length: values.length / 3 }, (_, index) => {
    const [x, y, confidence] = values.slice(3 * index, 3 * index + 3) as unknown[];
    return point(x, y, confidence);
  });
}

function point(x: unknown, y: unknown, confidence: unknown): Point | null {
  if (typeof x !== "number" || typeof y !== "number" || typeof confidence !== "number" || !(confidence > 0)) {
    return null;
  }
  return { x, y, confidence: Math.min(confidence, 1) };
}

function numbers(points: Points | null): number[] | null {
  return points === null
    ? null
    : points.flatMap((point) =>
        point === null || point.isHidden === true ? [0, 0, 0] : [point.x, point.y, point.confidence],
      );
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function object(value: unknown, where: string): Fields {
  if (!isObject(value)) {
    throw new PoseFileError(`${where} must be an object`);
  }
  return value;
}
