/** Dragging of handles by a pointer. */

import type { RefObject, TargetedPointerEvent } from "preact";
import { useRef } from "preact/hooks";
import { texts } from "../../texts.ts";
import type { Position } from "../model/document.ts";
import { fromShares, toShares, type Region } from "../model/geometry.ts";
import { handleName, moveHandle, placeOf, type Handle, type PersonEditor } from "./personEditor.ts";

export interface DragOptions {
  stage: RefObject<HTMLDivElement | null>;
  region: Region;
  editor: PersonEditor;
  handles: readonly Handle[];
  /** Called when a handle is taken. */
  onTake: (handle: Handle) => void;
  /** Called when it was moved by (dx, dy) pixels of the canvas. */
  onDrop: (handle: Handle, dx: number, dy: number) => void;
}

export interface DragHandlers {
  take: (event: TargetedPointerEvent<HTMLDivElement>) => void;
  move: (event: PointerEvent) => void;
  drop: (event: PointerEvent) => void;
  /** Put the handle back where it was. Returns whether one was dragged. */
  cancel: () => boolean;
}

interface Drag {
  readonly handle: Handle;
  /** Where it began, in pixels of the canvas. */
  readonly from: Position;
  /** Whether it went far enough to be more than a click. */
  hasMoved: boolean;
}

// CSS pixels: around a handle in which a pointer takes it, and from which on a click is a drag.
const REACH = { mouse: 16, pen: 16, touch: 22 } as Readonly<Record<string, number>>;
const LEAST_DRAG = 2;

/** Return what a stage does with a pointer: a drag is a draft until it is dropped, and then one step. */
export function useDrag({ stage, region, editor, handles, onTake, onDrop }: DragOptions): DragHandlers {
  const drag = useRef<Drag | null>(null);

  const distance = (event: PointerEvent, { from }: Drag): readonly [number, number] => {
    const to = fromShares(sharesOf(event, stage), region);
    return [to.x - from.x, to.y - from.y];
  };

  const take = (event: TargetedPointerEvent<HTMLDivElement>) => {
    const handle = nearest(event, stage, editor, handles, region);
    if (event.isPrimary && event.button === 0 && handle !== null) {
      event.preventDefault();
      event.currentTarget.setPointerCapture(event.pointerId);
      drag.current = { handle, from: fromShares(sharesOf(event, stage), region), hasMoved: false };
      onTake(handle);
    }
  };

  const move = (event: PointerEvent) => {
    const held = drag.current;
    if (event.isPrimary && held !== null) {
      const by = distance(event, held);
      const pixel = region.width / (stage.current?.clientWidth ?? 1);
      held.hasMoved ||= Math.hypot(...by) >= LEAST_DRAG * pixel;
      if (held.hasMoved) {
        editor.draft((person) => moveHandle(person, held.handle, ...by));
      }
    }
  };

  const drop = (event: PointerEvent) => {
    const held = drag.current;
    if (!event.isPrimary) {
      return;
    }
    drag.current = null;
    if (held?.hasMoved) {
      editor.drop(texts.poses.did.move(handleName(held.handle)));
      onDrop(held.handle, ...distance(event, held));
    }
  };

  const cancel = () => {
    const isDragged = drag.current !== null;
    drag.current = null;
    if (isDragged) {
      editor.cancel();
    }
    return isDragged;
  };

  return { take, move, drop, cancel };
}

/** Return where a pointer is on a stage, as shares of its sides. */
function sharesOf(event: PointerEvent, stage: RefObject<HTMLDivElement | null>): Position {
  const { left, top, width, height } = boxOf(stage);
  return { x: (event.clientX - left) / width, y: (event.clientY - top) / height };
}

/** Return the handle that a pointer is nearest to, if it is in reach. */
function nearest(
  event: PointerEvent,
  stage: RefObject<HTMLDivElement | null>,
  editor: PersonEditor,
  handles: readonly Handle[],
  region: Region,
): Handle | null {
  const { width, height } = boxOf(stage);
  const at = sharesOf(event, stage);
  let found: Handle | null = null;
  let least = REACH[event.pointerType] ?? 16;
  for (const handle of handles) {
    const place = placeOf(editor.person, handle);
    const shares = place && toShares(place, region);
    const distance = shares ? Math.hypot((shares.x - at.x) * width, (shares.y - at.y) * height) : Infinity;
    if (distance <= least) {
      [found, least] = [handle, distance];
    }
  }
  return found;
}

function boxOf(stage: RefObject<HTMLDivElement | null>): DOMRect {
  return stage.current?.getBoundingClientRect() ?? new DOMRect(0, 0, 1, 1);
}
