/** The driving video by frames: which one is shown, and moving among them. */

import { signal, type ReadonlySignal } from "@preact/signals";
import { frameAt } from "../../judge/model/rate.ts";
import type { Trim } from "../model/trim.ts";

export interface Clip {
  /** The frame that was asked for last. */
  readonly wanted: ReadonlySignal<number>;
  /** The frame that is shown, with its pose. */
  readonly frame: ReadonlySignal<number>;
  readonly isPlaying: ReadonlySignal<boolean>;
  /** Grows whenever the video shows another picture. */
  readonly painted: ReadonlySignal<number>;
  /** Show a frame; the nearest one there is. */
  readonly seek: (frame: number) => void;
  readonly toggle: () => void;
  readonly pause: () => void;
  /** Take a video whose pictures are shown; without one the poses alone move. Returns its release. */
  readonly attach: (video: HTMLVideoElement) => () => void;
}

/**
 * Return a clip that shows its first frame.
 *
 * A paused video is asked for the middle of a frame, so that rounding cannot show its neighbour.
 *
 * @param fps Frames per second, of the poses and of the video.
 * @param range The frames that are played, again and again.
 */
export function createClip(numFrames: number, fps: number, range: () => Trim): Clip {
  const [wanted, frame, painted] = [signal(0), signal(0), signal(0)];
  const isPlaying = signal(false);
  let video: HTMLVideoElement | null = null;
  let timer: ReturnType<typeof setInterval> | undefined;

  const seek = (to: number) => {
    wanted.value = Math.min(Math.max(Math.round(to), 0), numFrames - 1);
    if (video !== null && isReady(video)) {
      video.currentTime = (wanted.value + 0.5) / fps;
    } else {
      frame.value = wanted.value;
    }
  };

  /** Show what plays; behind the range's end its start. */
  const reach = (next: number) => {
    if (next < range().end) {
      wanted.value = frame.value = next;
    } else {
      seek(range().first);
    }
  };

  const pause = () => {
    isPlaying.value = false;
    clearInterval(timer);
    video?.pause();
    seek(frame.value);
  };

  const play = () => {
    const { first, end } = range();
    if (frame.value < first || frame.value >= end - 1) {
      seek(first);
    }
    isPlaying.value = true;
    if (video !== null && isReady(video)) {
      video.play().catch(pause);
    } else {
      timer = setInterval(() => reach(frame.value + 1), 1000 / fps);
    }
  };

  const attach = (element: HTMLVideoElement) => {
    const released = new AbortController();
    const options = { signal: released.signal };
    const arrive = () => {
      frame.value = isPlaying.value ? frame.value : wanted.value;
    };
    const follow = (_: number, { mediaTime }: VideoFrameCallbackMetadata) => {
      if (isPlaying.value) {
        reach(frameAt(mediaTime, { numerator: fps, denominator: 1 }));
      } else {
        arrive();
      }
      painted.value += 1;
      callback = element.requestVideoFrameCallback(follow);
    };
    const repeat = () => {
      seek(range().first);
      void element.play().catch(pause);
    };
    let callback = element.requestVideoFrameCallback(follow);
    video = element;
    element.addEventListener("loadedmetadata", () => seek(wanted.value), options);
    // A seek inside the picture that is shown has no frame callback.
    element.addEventListener("seeked", arrive, options);
    element.addEventListener("ended", repeat, options);
    return () => {
      released.abort();
      element.cancelVideoFrameCallback(callback);
      video = null;
    };
  };

  return { wanted, frame, isPlaying, painted, seek, pause, attach, toggle: () => (isPlaying.value ? pause() : play()) };
}

function isReady(video: HTMLVideoElement): boolean {
  return video.readyState >= HTMLMediaElement.HAVE_METADATA;
}
