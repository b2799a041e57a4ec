import type { JSX, TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useRef } from "preact/hooks";
import { texts } from "../../texts.ts";
import { moveHandle, type Trim, type TrimHandle } from "../model/trim.ts";

interface TrimRailProps {
  trim: Trim;
  numFrames: number;
  fps: number;
  /** Called while a handle is dragged. */
  onDraft: (trim: Trim) => void;
  onDrop: () => void;
  onCancel: () => void;
  /** Called by the keyboard. */
  onChange: (trim: Trim, joins: boolean) => void;
}

// Seconds that Page Up and Page Down move.
const PAGE_S = 1;

/** The part of the video that is used, between two handles. */
export function TrimRail(props: TrimRailProps): JSX.Element {
  const { trim, numFrames, fps, onDraft, onDrop, onCancel, onChange } = props;
  const [rail, held] = [useRef<HTMLDivElement>(null), useRef<TrimHandle | null>(null)];

  const hold = (event: TargetedPointerEvent<HTMLDivElement>, handle: TrimHandle) => {
    if (event.isPrimary && event.button === 0) {
      event.currentTarget.setPointerCapture(event.pointerId);
      held.current = handle;
    }
  };

  const move = (event: PointerEvent) => {
    const { left, width } = (rail.current as HTMLDivElement).getBoundingClientRect();
    if (event.isPrimary && held.current !== null) {
      onDraft(moveHandle(trim, held.current, ((event.clientX - left) / width) * numFrames, numFrames));
    }
  };

  const release = (end: () => void) => {
    if (held.current !== null) {
      held.current = null;
      end();
    }
  };

  const press = (event: TargetedKeyboardEvent<HTMLDivElement>, handle: TrimHandle) => {
    const to = keyTarget(event, trim[handle], numFrames, fps);
    if (event.key === "Escape") {
      release(onCancel);
    } else if (to !== null) {
      event.preventDefault();
      onChange(moveHandle(trim, handle, to, numFrames), event.repeat);
    }
  };

  return (
    <div ref={rail} class="trim-rail">
      <div class="trim-kept" style={{ left: share(trim.first, numFrames), right: share(numFrames - trim.end, numFrames) }} />
      {(["first", "end"] as const).map((handle) => (
        <div
          key={handle}
          class={`trim-handle ${handle}`}
          style={{ left: share(trim[handle], numFrames) }}
          {...sliderOf(trim, handle, numFrames, fps)}
          onPointerDown={(event) => hold(event, handle)}
          onPointerMove={move}
          onPointerUp={() => release(onDrop)}
          onPointerCancel={() => release(onCancel)}
          onKeyDown={(event) => press(event, handle)}
        />
      ))}
    </div>
  );
}

/** Return what makes a handle a slider of frames; the end's is the last frame that is kept. */
function sliderOf(trim: Trim, handle: TrimHandle, numFrames: number, fps: number) {
  const frame = handle === "first" ? trim.first : trim.end - 1;
  const [low, high] = handle === "first" ? [0, trim.end - 1] : [trim.first, numFrames - 1];
  return {
    role: "slider",
    tabIndex: 0,
    "aria-label": handle === "first" ? texts.poses.trimStart : texts.poses.trimEnd,
    "aria-valuemin": low,
    "aria-valuemax": high,
    "aria-valuenow": frame,
    "aria-valuetext": texts.poses.frameAt(frame, (frame / fps).toFixed(2)),
  } as const;
}

function share(frame: number, numFrames: number): string {
  return `${(100 * frame) / numFrames}%`;
}

function keyTarget({ key, shiftKey }: KeyboardEvent, at: number, numFrames: number, fps: number): number | null {
  const page = Math.max(1, Math.round(PAGE_S * fps));
  const step = shiftKey ? 10 : 1;
  switch (key) {
    case "ArrowLeft":
    case "ArrowDown":
      return at - step;
    case "ArrowRight":
    case "ArrowUp":
      return at + step;
    case "PageDown":
      return at - page;
    case "PageUp":
      return at + page;
    case "Home":
      return 0;
    case "End":
      return numFrames;
    default:
      return null;
  }
}
