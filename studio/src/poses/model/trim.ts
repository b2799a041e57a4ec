/** Trimming of the driving video, in frames and in seconds. */

import type { PoseDocument } from "./document.ts";

/** Frames from `first` on and before `end`, at least one. */
export interface Trim {
  readonly first: number;
  readonly end: number;
}

/** The service's form of a trim: frames that are shown from `start_s` on and before `end_s`. */
export interface TrimSeconds {
  readonly start_s: number;
  readonly end_s: number;
}

export type TrimHandle = "first" | "end";

// As the service does, a frame that is this little before a time belongs to it.
const TOLERANCE = 1e-6;

/** Return a trim that keeps all frames. */
export function wholeTrim(numFrames: number): Trim {
  return { first: 0, end: numFrames };
}

/** Return whether a trim keeps all frames. */
export function isWhole({ first, end }: Trim, numFrames: number): boolean {
  return first === 0 && end === numFrames;
}

/** Move one handle of a trim, as far as the other handle and the video's ends allow. */
export function moveHandle(trim: Trim, handle: TrimHandle, to: number, numFrames: number): Trim {
  const [low, high] = handle === "first" ? [0, trim.end - 1] : [trim.first + 1, numFrames];
  const frame = clamp(Math.round(to), low, high);
  return frame === trim[handle] ? trim : { ...trim, [handle]: frame };
}

/** Return the seconds of a trim, which the service reads as exactly these frames. */
export function toSeconds({ first, end }: Trim, fps: number): TrimSeconds {
  return { start_s: first / fps, end_s: end / fps };
}

/** Return the frames that the service takes for these seconds, of a video of so many frames. */
export function toFrames({ start_s, end_s }: TrimSeconds, fps: number, numFrames: number): Trim {
  const first = Math.min(frameAt(start_s, fps), numFrames - 1);
  return { first, end: clamp(frameAt(end_s, fps), first + 1, numFrames) };
}

/** Return the number of a rate such as "30000/1001". */
export function parseFps(fraction: string): number {
  const [above, below] = fraction.split("/");
  return Number(above) / Number(below ?? 1);
}

/** Return the document with the trim's frames only. */
export function cut(document: PoseDocument, { first, end }: Trim): PoseDocument {
  return { ...document, frames: document.frames.slice(first, end) };
}

function frameAt(seconds: number, fps: number): number {
  return Math.max(Math.ceil(seconds * fps - TOLERANCE), 0);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
