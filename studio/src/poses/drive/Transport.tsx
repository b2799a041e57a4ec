import type { JSX } from "preact";
import { BackIcon, ForwardIcon, PauseIcon, PlayIcon } from "../../icons.tsx";
import { texts } from "../../texts.ts";
import { neighbour } from "../model/timeline.ts";
import { isWhole, wholeTrim, type Trim } from "../model/trim.ts";
import { withTrim, type Room } from "../room.ts";
import type { Clip } from "./clip.ts";
import type { Marks } from "./Timeline.tsx";

interface TransportProps {
  clip: Clip;
  frame: number;
  numFrames: number;
  marks: Marks;
}

/** Playing, and moving by frames. */
export function Transport({ clip, frame, numFrames, marks }: TransportProps): JSX.Element {
  const { play, pause, previousFrame, nextFrame, previousRepaired, nextRepaired, frameOf } = texts.poses;
  const isPlaying = clip.isPlaying.value;
  const step = (by: number) => {
    clip.pause();
    clip.seek(frame + by);
  };
  const repaired = [neighbour(marks.repaired.keys(), frame, -1), neighbour(marks.repaired.keys(), frame, 1)] as const;
  const jump = (to: number | null) => to !== null && clip.seek(to);
  return (
    <div class="row">
      <button class="button icon" type="button" aria-label={previousFrame} onClick={() => step(-1)}>
        <BackIcon />
      </button>
      <button class="button icon" type="button" aria-label={isPlaying ? pause : play} onClick={clip.toggle}>
        {isPlaying ? <PauseIcon /> : <PlayIcon />}
      </button>
      <button class="button icon" type="button" aria-label={nextFrame} onClick={() => step(1)}>
        <ForwardIcon />
      </button>
      <span class="num">{frameOf(frame, numFrames - 1)}</span>
      {marks.repaired.size > 0 && (
        <>
          <button
            class="button quiet"
            type="button"
            aria-label={previousRepaired}
            disabled={repaired[0] === null}
            onClick={() => jump(repaired[0])}
          >
            <BackIcon />
            {texts.poses.repaired}
          </button>
          <button
            class="button quiet"
            type="button"
            aria-label={nextRepaired}
            disabled={repaired[1] === null}
            onClick={() => jump(repaired[1])}
          >
            {texts.poses.repaired}
            <ForwardIcon />
          </button>
        </>
      )}
    </div>
  );
}

/** How long the part is that is used. */
export function TrimText({ room, trim, numFrames, fps }: { room: Room; trim: Trim; numFrames: number; fps: number }): JSX.Element {
  const frames = trim.end - trim.first;
  return (
    <div class="row">
      <span class="num hint">{texts.poses.trimmed(frames, (frames / fps).toFixed(2))}</span>
      <button
        class="button quiet"
        type="button"
        disabled={isWhole(trim, numFrames)}
        onClick={() => room.edit(texts.poses.trimReset, (now) => withTrim(now, wholeTrim(numFrames)))}
      >
        {texts.poses.trimReset}
      </button>
    </div>
  );
}
