import type { JSX, TargetedKeyboardEvent, TargetedPointerEvent } from "preact";
import { useRef } from "preact/hooks";
import { texts } from "../../texts.ts";
import { CORNERS, type Box, type Handle, type Size } from "./box.ts";

interface Props {
  url: string;
  /** Null until the browser has read it. */
  picture: Size | null;
  box: Box | null;
  onLoad: (size: Size) => void;
  /** A handle of the frame was moved by (dx, dy) pixels of the picture from where the frame was. */
  onMove: (from: Box, handle: Handle, dx: number, dy: number) => void;
}

const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/** The picture with its frame: drag it or a corner, or use the arrows. */
export function CropStage({ url, picture, box, onLoad, onMove }: Props): JSX.Element {
  const image = useRef<HTMLImageElement>(null);
  const drag = useRef<{ from: Box; x: number; y: number } | null>(null);

  const take = (event: TargetedPointerEvent<HTMLButtonElement>) => {
    if (box) {
      event.currentTarget.setPointerCapture(event.pointerId);
      drag.current = { from: box, x: event.clientX, y: event.clientY };
    }
  };
  const move = (handle: Handle) => (event: TargetedPointerEvent<HTMLButtonElement>) => {
    const held = drag.current;
    if (held && picture && image.current) {
      const pixel = picture.width / image.current.clientWidth;
      onMove(held.from, handle, (event.clientX - held.x) * pixel, (event.clientY - held.y) * pixel);
    }
  };
  const drop = () => (drag.current = null);
  const press = (handle: Handle) => (event: TargetedKeyboardEvent<HTMLButtonElement>) => {
    const arrow = ARROWS[event.key];
    if (arrow && box) {
      event.preventDefault();
      const step = event.shiftKey ? 10 : 1;
      onMove(box, handle, arrow[0] * step, arrow[1] * step);
    }
  };
  const handleProps = (handle: Handle) => ({
    type: "button" as const,
    "aria-label": texts.crop.handles[handle],
    onPointerDown: take,
    onPointerMove: move(handle),
    onPointerUp: drop,
    onPointerCancel: drop,
    onKeyDown: press(handle),
  });

  return (
    <div class="crop-stage" style={{ "--aspect": String(picture ? picture.width / picture.height : 1) }}>
      <img
        ref={image}
        src={url}
        alt=""
        draggable={false}
        onLoad={({ currentTarget: { naturalWidth, naturalHeight } }) =>
          onLoad({ width: naturalWidth, height: naturalHeight })
        }
      />
      {box && picture ? (
        <div class="crop-frame" style={placeOf(box, picture)}>
          <button class="crop-all" {...handleProps("all")} />
          {CORNERS.map((corner) => (
            <button key={corner} class={`crop-corner ${corner}`} {...handleProps(corner)} />
          ))}
        </div>
      ) : null}
    </div>
  );
}

function placeOf(box: Box, picture: Size): Record<string, string> {
  const share = (part: number, whole: number) => `${(100 * part) / whole}%`;
  return {
    left: share(box.x, picture.width),
    top: share(box.y, picture.height),
    width: share(box.width, picture.width),
    height: share(box.height, picture.height),
  };
}
