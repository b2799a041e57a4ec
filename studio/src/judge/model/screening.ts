/** What the player needs for its settings: the videos, and where each picture is cut from them. */

import type { Job } from "tcan-client";
import { keyOf, sidesOf, type PlayerSettings } from "./settings.ts";
import type { Rate } from "./rate.ts";
import { leaderOf, reelFrame, reelsOf, type Cell, type Review, type Side } from "./sides.ts";

/** A job with its review. */
export interface Take {
  readonly job: Job;
  readonly review: Review;
}

export interface ScreenReel {
  readonly key: string;
  readonly url: string;
  readonly rate: Rate;
  /** Returns the reel's frame at a frame of the player. */
  readonly frameOf: (frame: number) => number;
}

export interface ScreenSide extends Side {
  readonly key: string;
  /** Index of the reel that the picture is cut from. */
  readonly reel: number;
  readonly cut: Cell;
  /** The skeleton that is drawn over it. */
  readonly overlay: Cell | undefined;
}

export interface Screening {
  /** The first leads. */
  readonly reels: readonly ScreenReel[];
  readonly sides: readonly ScreenSide[];
  readonly frames: number;
  readonly rate: Rate;
}

/** Formats that a video element plays; of others the result's cell of the review is shown. */
const PLAYED = ["mp4", "webm"];

/** Return whether the video element shows the file that is downloaded. */
export function isFileShown({ job }: Take, { mode }: PlayerSettings): boolean {
  return mode === "result" && typeof job.links.result === "string" && PLAYED.includes(job.params.format ?? "mp4");
}

/** Return what is shown of these jobs. Throws RangeError without a job. */
export function screeningOf(takes: readonly Take[], settings: PlayerSettings): Screening {
  const lead = leaderOf(takes.map(({ review }) => review));
  const leader = takes[lead];
  if (!leader) {
    throw new RangeError("no job to show");
  }
  const { frames, rate } = leader.review;
  if (isFileShown(leader, settings)) {
    const url = leader.job.links.result ?? "";
    return { reels: [{ key: "file", url, rate, frameOf: (frame) => frame }], sides: [], frames, rate };
  }
  const sides = sidesOf(settings, takes.length).filter(({ job, cell }) => takes[job]?.review.cells[cell]);
  const reels = reelsOf(sides, lead).flatMap(({ job, offset }) => {
    const review = takes[job]?.review;
    const frameOf = (frame: number) => (review ? reelFrame(frame, leader.review, review, offset) : frame);
    return review ? [{ key: `${job}.${offset}`, url: review.url, rate: review.rate, frameOf }] : [];
  });
  const keys = reels.map(({ key }) => key);
  return {
    reels,
    sides: sides.flatMap((side) => screenSide(side, takes, keys, settings)),
    frames,
    rate,
  };
}

function screenSide(side: Side, takes: readonly Take[], reels: string[], { skeleton }: PlayerSettings): ScreenSide[] {
  const cells = takes[side.job]?.review.cells;
  const cut = cells?.[side.cell];
  const overlay = skeleton && side.cell === "result" ? cells?.skeleton : undefined;
  const reel = reels.indexOf(`${side.job}.${side.offset}`);
  return cut ? [{ ...side, key: keyOf(side), reel, cut, overlay }] : [];
}
