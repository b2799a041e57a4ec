/** Frames and times of a video with a constant rate. Frames are counted from 0. */

/** Frames per second as a fraction, such as 24000/1001. */
export interface Rate {
  readonly numerator: number;
  readonly denominator: number;
}

/** Read "24000/1001", "25" or "12.5". Throws RangeError for what is no positive rate. */
export function parseRate(text: string): Rate {
  const [above = "", below = "1"] = text.split("/");
  const rate = { numerator: Number(above), denominator: Number(below) };
  if (!(rate.numerator > 0 && rate.denominator > 0 && Number.isFinite(rate.numerator / rate.denominator))) {
    throw new RangeError(`"${text}" is no frame rate; one is like 25 or 24000/1001`);
  }
  return rate;
}

export function framesPerSecond({ numerator, denominator }: Rate): number {
  return numerator / denominator;
}

/** Return the time of a frame's first instant, in seconds. */
export function startOf(frame: number, { numerator, denominator }: Rate): number {
  return (frame * denominator) / numerator;
}

/** Return the time in the middle of a frame: a seek to it finds this frame, however times are rounded. */
export function seekTime(frame: number, rate: Rate): number {
  return startOf(frame + 0.5, rate);
}

/**
 * Return the frame that is on the screen at the media time that a browser reports for it.
 *
 * That is the frame's first instant, a little rounded; after a seek Firefox reports the time that was
 * sought, which is in the middle of the frame.
 */
export function frameAt(mediaTime: number, { numerator, denominator }: Rate): number {
  return Math.floor((mediaTime * numerator) / denominator + 0.25);
}

/** Return the frame of another video that is on the screen in the middle of this one of the first. */
export function sameMoment(frame: number, rate: Rate, other: Rate): number {
  const isSame = rate.numerator * other.denominator === other.numerator * rate.denominator;
  // Whole numbers as far as possible: a middle may be the very start of a frame.
  const middle = (2 * frame + 1) * rate.denominator * other.numerator;
  return isSame ? frame : Math.floor(middle / (2 * rate.numerator * other.denominator));
}

/** Return the nearest frame of a video with so many frames. */
export function clamp(frame: number, frames: number): number {
  return Math.max(0, Math.min(Math.round(frame), frames - 1));
}

/** Return the frame in a loop: the one after the last is the first. */
export function wrap(frame: number, frames: number): number {
  return ((frame % frames) + frames) % frames;
}

/** Write the start of a frame as minutes, seconds and milliseconds: 0:01.480. */
export function timecode(frame: number, rate: Rate): string {
  const milliseconds = Math.round(startOf(frame, rate) * 1000);
  const minutes = Math.floor(milliseconds / 60_000);
  const seconds = ((milliseconds % 60_000) / 1000).toFixed(3).padStart(6, "0");
  return `${minutes}:${seconds}`;
}
