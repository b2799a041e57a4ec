/** What a timeline shows of each frame. */

import { confidenceOf, personAt, type PoseDocument } from "./document.ts";

/** Return the frames whose people differ: those that were edited. */
export function editedFrames(detected: PoseDocument, edited: PoseDocument): number[] {
  if (detected === edited) {
    return [];
  }
  return edited.frames.flatMap((people, frame) => (people === detected.frames[frame] ? [] : [frame]));
}

/** Return the confidence of each frame, 0..1: the service's, but for edited frames the mean of the joints. */
export function confidences(edited: PoseDocument, detected: readonly number[], changed: readonly number[]): number[] {
  const isChanged = new Set(changed);
  return edited.frames.map((_, frame) => {
    const known = isChanged.has(frame) ? undefined : detected[frame];
    return known ?? confidenceOf(personAt(edited, { frame, person: 0 }));
  });
}

/** Return the outline of the confidences as an SVG path, a unit wide per frame and a unit high. */
export function outline(confidence: readonly number[]): string {
  const tops = confidence.map((value, frame) => `V${(1 - value).toFixed(3)}H${frame + 1}`);
  return `M0 1${tops.join("")}V1Z`;
}

/** Return frames as an SVG path of bars as high as the timeline; neighbours make one bar. */
export function bars(frames: Iterable<number>): string {
  const chosen = new Set(frames);
  const firsts = [...chosen].filter((frame) => !chosen.has(frame - 1));
  return firsts.map((first) => `M${first} 0H${endOf(chosen, first)}V1H${first}Z`).join("");
}

/** Return the nearest of these frames before (-1) or after (1) a frame, or null. */
export function neighbour(frames: Iterable<number>, frame: number, direction: 1 | -1): number | null {
  const beyond = [...frames].filter((each) => Math.sign(each - frame) === direction);
  return beyond.length === 0 ? null : direction > 0 ? Math.min(...beyond) : Math.max(...beyond);
}

function endOf(frames: ReadonlySet<number>, first: number): number {
  let end = first + 1;
  while (frames.has(end)) {
    end += 1;
  }
  return end;
}
