import type { JSX } from "preact";
import { useMemo } from "preact/hooks";
import { percent } from "../../format.ts";
import { texts } from "../../texts.ts";
import { bars, outline } from "../model/timeline.ts";
import type { Trim } from "../model/trim.ts";

/** What is to be said of the frames. */
export interface Marks {
  readonly confidence: readonly number[];
  /** Why each repaired frame was repaired. */
  readonly repaired: ReadonlyMap<number, string>;
  readonly edited: readonly number[];
  readonly outside: readonly number[];
  readonly keyframes: readonly number[];
}

interface TimelineProps {
  frame: number;
  trim: Trim;
  marks: Marks;
  onSeek: (frame: number) => void;
}

/** The confidence of each frame with its marks, under a slider for the frame. */
export function Timeline({ frame, trim, marks, onSeek }: TimelineProps): JSX.Element {
  const numFrames = marks.confidence.length;
  const share = (at: number) => `${(100 * at) / numFrames}%`;
  return (
    <div class="timeline">
      <div class="timeline-graph">
        <Graph marks={marks} />
        <div class="timeline-cut" style={{ left: 0, width: share(trim.first) }} />
        <div class="timeline-cut" style={{ left: share(trim.end), right: 0 }} />
        {marks.keyframes.map((keyframe) => (
          <span key={keyframe} class="timeline-keyframe" style={{ left: share(keyframe + 0.5) }} />
        ))}
        <div class="timeline-head" style={{ left: share(frame + 0.5) }} />
        <input
          type="range"
          min={0}
          max={numFrames - 1}
          value={frame}
          aria-label={texts.poses.frame}
          aria-valuetext={frameText(frame, marks)}
          onInput={(event) => onSeek(event.currentTarget.valueAsNumber)}
        />
      </div>
      <Legend marks={marks} />
    </div>
  );
}

function Graph({ marks }: { marks: Marks }): JSX.Element {
  const { confidence, repaired, edited, outside } = marks;
  const paths = useMemo(
    () => [outline(confidence), bars(repaired.keys()), bars(outside), bars(edited)] as const,
    [confidence, repaired, edited, outside],
  );
  const [all, mended, out, changed] = paths;
  return (
    <svg viewBox={`0 0 ${confidence.length} 1`} preserveAspectRatio="none" aria-hidden="true">
      <path class="confidence" d={all} />
      <path class="repaired" d={mended} />
      <path class="outside" d={out} />
      <path class="edited" d={changed} />
    </svg>
  );
}

/** The marks that occur, with their colours. */
function Legend({ marks }: { marks: Marks }): JSX.Element | null {
  const entries = [
    ["repaired", marks.repaired.size],
    ["edited", marks.edited.length],
    ["outside", marks.outside.length],
  ] as const;
  const shown = entries.filter(([, count]) => count > 0);
  return shown.length === 0 ? null : (
    <ul class="timeline-legend row hint">
      {shown.map(([name, count]) => (
        <li key={name} class={name}>
          {texts.poses.marked(count, texts.poses[name])}
        </li>
      ))}
    </ul>
  );
}

function frameText(frame: number, { confidence, repaired, edited, keyframes }: Marks): string {
  const why = repaired.get(frame);
  const notes = [
    why === undefined ? "" : texts.poses.isRepaired(why),
    edited.includes(frame) ? texts.poses.isEdited : "",
    keyframes.includes(frame) ? texts.poses.isKeyframe : "",
  ];
  return texts.poses.frameText(frame, percent(confidence[frame] ?? 0), notes.join(""));
}
