/** One video element whose frames are shown by number, and checked by their media time. */

import { frameAt, seekTime, type Rate } from "../model/rate.ts";

/** How long after a seek a frame may appear. */
const NO_FRAME_MS = 200;

export class Reel {
  /** Media time of frame 0: an mp4 with sound may start a little later than 0. */
  private start = 0;
  /** The frame on the screen, when it is known. */
  private shown: number | undefined;

  constructor(
    readonly video: HTMLVideoElement,
    private readonly rate: Rate,
  ) {}

  /** Load the video until its first frame is there. Throws Error if it cannot be played. */
  async open(): Promise<void> {
    await metadata(this.video);
    this.start = (await this.present(0)) ?? 0;
    this.shown = undefined;
  }

  /** Show a frame and return its number as the video reports it. One call at a time. */
  async show(frame: number): Promise<number> {
    const time = this.start + seekTime(frame, this.rate);
    // A second seek where the first was answered by a frame from before it.
    for (let tries = 0; this.shown !== frame && tries < 2; tries++) {
      const mediaTime = await this.present(time);
      this.shown = mediaTime === undefined ? frame : this.frameOf(mediaTime);
    }
    return this.shown ?? frame;
  }

  /** Play from the frame on the screen, and report each frame that appears until the signal aborts. */
  play(onFrame: (frame: number) => void, signal: AbortSignal): Promise<void> {
    this.shown = undefined;
    const report: VideoFrameRequestCallback = (_now, { mediaTime }) => {
      if (!signal.aborted) {
        onFrame(this.frameOf(mediaTime));
        this.video.requestVideoFrameCallback(report);
      }
    };
    this.video.requestVideoFrameCallback(report);
    signal.addEventListener("abort", () => this.video.pause(), { once: true });
    return this.video.play();
  }

  private frameOf(mediaTime: number): number {
    return frameAt(mediaTime - this.start, this.rate);
  }

  /** Seek and return the media time of the frame that appears; undefined if none does. */
  private present(time: number): Promise<number | undefined> {
    const { video } = this;
    const listening = new AbortController();
    const { signal } = listening;
    return new Promise<number | undefined>((resolve, reject) => {
      let appeared: number | undefined;
      const report: VideoFrameRequestCallback = (_now, { mediaTime }) => {
        appeared = mediaTime;
        if (!video.seeking) {
          resolve(mediaTime);
        } else if (!signal.aborted) {
          // Perhaps a frame from before the seek.
          video.requestVideoFrameCallback(report);
        }
      };
      const waitForFrame = () => {
        // None comes where the same frame is on the screen already.
        setTimeout(() => resolve(appeared), NO_FRAME_MS);
      };
      video.addEventListener("seeked", waitForFrame, { signal });
      video.addEventListener("error", () => reject(playbackError(video)), { signal });
      // Before the seek: afterwards the frame may have been shown already.
      video.requestVideoFrameCallback(report);
      video.currentTime = time;
    }).finally(() => listening.abort());
  }
}

function metadata(video: HTMLVideoElement): Promise<void> {
  return new Promise((resolve, reject) => {
    if (video.error) {
      reject(playbackError(video));
    } else if (video.readyState >= HTMLMediaElement.HAVE_METADATA) {
      resolve();
    } else {
      video.addEventListener("loadedmetadata", () => resolve(), { once: true });
      video.addEventListener("error", () => reject(playbackError(video)), { once: true });
    }
  });
}

function playbackError(video: HTMLVideoElement): Error {
  return new Error(video.error?.message || "the video cannot be played");
}
