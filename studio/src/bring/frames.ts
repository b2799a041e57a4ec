/** The length of a video that this browser can play. */

export interface Length {
  frames: number;
  seconds: number;
}

const SEEN = 8;
const PATIENCE_MS = 5000;

/**
 * Return the length of a video, in frames about; null where this browser cannot tell.
 *
 * Browsers state no frame rate: the smallest distance between the first frames that it plays is one frame.
 */
export async function measureVideo(url: string): Promise<Length | null> {
  const video = document.createElement("video");
  if (!("requestVideoFrameCallback" in video)) {
    return null;
  }
  video.muted = true;
  video.src = url;
  try {
    const times = await playedTimes(video);
    const steps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
    const frames = Math.round(video.duration / Math.min(...steps.filter((step) => step > 0)));
    return Number.isFinite(frames) && frames > 0 ? { frames, seconds: video.duration } : null;
  } finally {
    video.removeAttribute("src");
    video.load();
  }
}

function playedTimes(video: HTMLVideoElement): Promise<number[]> {
  return new Promise((resolve) => {
    const times: number[] = [];
    const end = () => resolve(times);
    const see: VideoFrameRequestCallback = (_now, { mediaTime }) => {
      times.push(mediaTime);
      if (times.length < SEEN) {
        video.requestVideoFrameCallback(see);
      } else {
        end();
      }
    };
    video.requestVideoFrameCallback(see);
    video.onended = end;
    video.onerror = end;
    setTimeout(end, PATIENCE_MS);
    video.play().catch(end);
  });
}
