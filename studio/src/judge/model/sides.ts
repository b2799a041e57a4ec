/** What is on the stage: cells of the jobs' review videos, each with an offset in frames. */

import type { Job } from "tcan-client";
import { clamp, parseRate, sameMoment, type Rate } from "./rate.ts";

export const CELLS = ["source", "driver", "skeleton", "result"] as const;
export type CellName = (typeof CELLS)[number];

/** A rectangle in pixels of the review video. */
export interface Cell {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A job's review video: one video with several cells, so that they are in step by construction. */
export interface Review {
  readonly url: string;
  readonly rate: Rate;
  readonly frames: number;
  readonly cells: Readonly<Partial<Record<CellName, Cell>>>;
}

/** A picture on the stage. */
export interface Side {
  /** Index of the job. */
  readonly job: number;
  readonly cell: CellName;
  /** Frames by which the side is ahead of the player's frame. */
  readonly offset: number;
}

/** A video element that must exist: sides of the same job and offset share one. */
export interface Reel {
  readonly job: number;
  readonly offset: number;
}

/** Return a job's review video; undefined if it has none. */
export function reviewOf(job: Job): Review | undefined {
  const { review, links } = job;
  if (!review || !links.review) {
    return undefined;
  }
  const { cells, fps, frames } = review;
  return { url: links.review, rate: parseRate(fps), frames, cells };
}

/** Return the job whose review lasts longest: it leads, and its frames are the player's. */
export function leaderOf(reviews: readonly Review[]): number {
  const seconds = reviews.map(({ frames, rate }) => (frames * rate.denominator) / rate.numerator);
  return seconds.indexOf(Math.max(...seconds));
}

/** Return the videos that the sides need. The first is the leader, which has no offset. */
export function reelsOf(sides: readonly Side[], leader: number): Reel[] {
  const reels: Reel[] = [{ job: leader, offset: 0 }];
  for (const { job, offset } of sides) {
    if (!reels.some((reel) => reel.job === job && reel.offset === offset)) {
      reels.push({ job, offset });
    }
  }
  return reels;
}

/** Return the frame that a reel shows while the leader shows this one; at the ends it holds its own. */
export function reelFrame(frame: number, leader: Review, review: Review, offset: number): number {
  return clamp(sameMoment(frame, leader.rate, review.rate) + offset, review.frames);
}
