import type { JSX, RefObject, TargetedKeyboardEvent } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { texts } from "../../texts.ts";
import { pointOf, type Size } from "../model/document.ts";
import { toShares, type Region } from "../model/geometry.ts";
import { isSameJoint, type Joint } from "../model/joints.ts";
import { paintScene, type Backdrop } from "./paint.ts";
import {
  capitalized,
  handleKey,
  handleName,
  hideJoint,
  moveHandle,
  placeOf,
  removeJoint,
  type Handle,
  type PersonEditor,
} from "./personEditor.ts";
import { useDrag } from "./useDrag.ts";

interface PoseStageProps {
  label: string;
  canvas: Size;
  region: Region;
  backdrop: Backdrop | null;
  /** Changes whenever the backdrop shows something else. */
  painted?: number;
  editor: PersonEditor;
  handles: readonly Handle[];
  chosen: Handle | null;
  /** Another object moves the focus to its handle. */
  focusOn: { readonly handle: Handle } | null;
  onChoose: (handle: Handle) => void;
  /** Tells where a joint is now, for those who do not see it. */
  onAnnounce: (text: string) => void;
}

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

/**
 * A picture with its skeleton and a handle for each joint, by pointer and by keyboard.
 *
 * The handles are one stop of Tab in the page; inside, Tab goes from joint to joint, and at either
 * end to what follows.
 */
export function PoseStage(props: PoseStageProps): JSX.Element {
  const { label, canvas, region, editor, handles, chosen, onChoose, onAnnounce } = props;
  const stage = useRef<HTMLDivElement>(null);
  const buttons = useRef(new Map<string, HTMLButtonElement>());
  const canvasRef = useCanvas(props);
  const current = handles.find((handle) => chosen && handleKey(handle) === handleKey(chosen)) ?? handles[0];

  const focus = (handle: Handle | undefined) => {
    if (handle !== undefined) {
      onChoose(handle);
      buttons.current.get(handleKey(handle))?.focus({ preventScroll: true });
    }
  };
  const announce = (handle: Handle, dx: number, dy: number) => {
    const { x, y } = placeOf(editor.settled, handle) ?? { x: 0, y: 0 };
    onAnnounce(texts.poses.place(capitalized(handleName(handle)), Math.round(x + dx), Math.round(y + dy)));
  };
  const drag = useDrag({ stage, region, editor, handles, onTake: focus, onDrop: announce });
  useLayoutEffect(() => focus(props.focusOn?.handle), [props.focusOn]);

  const press = (event: TargetedKeyboardEvent<HTMLButtonElement>, handle: Handle) => {
    const isDone = (event.key === "Escape" && drag.cancel()) || pressKey(event, handle, { editor, handles, focus, announce });
    if (isDone) {
      event.preventDefault();
    }
  };
  return (
    <div
      ref={stage}
      class="pose-stage well"
      role="group"
      aria-label={label}
      style={{ aspectRatio: `${canvas.width} / ${canvas.height}`, "--aspect": canvas.width / canvas.height }}
      onPointerDown={drag.take}
      onPointerMove={drag.move}
      onPointerUp={drag.drop}
      onPointerCancel={drag.cancel}
    >
      <canvas ref={canvasRef} aria-hidden="true" />
      {handles.map((handle) => (
        <HandleButton
          key={handleKey(handle)}
          handle={handle}
          editor={editor}
          region={region}
          isCurrent={handle === current}
          buttons={buttons.current}
          onFocus={() => onChoose(handle)}
          onKeyDown={(event) => press(event, handle)}
        />
      ))}
    </div>
  );
}

interface HandleButtonProps {
  handle: Handle;
  editor: PersonEditor;
  region: Region;
  /** Whether Tab stops at it. */
  isCurrent: boolean;
  /** Takes the button under the handle's key. */
  buttons: Map<string, HTMLButtonElement>;
  onFocus: () => void;
  onKeyDown: (event: TargetedKeyboardEvent<HTMLButtonElement>) => void;
}

function HandleButton({ handle, editor, region, isCurrent, buttons, onFocus, onKeyDown }: HandleButtonProps): JSX.Element {
  const place = placeOf(editor.person, handle) ?? { x: 0, y: 0 };
  const { x, y } = toShares(place, region);
  const isHidden = handle.kind === "joint" && pointOf(editor.person, handle.joint)?.isHidden === true;
  const name = capitalized(handleName(handle));
  return (
    <button
      ref={(button) => {
        if (button !== null) {
          buttons.set(handleKey(handle), button);
        }
      }}
      type="button"
      class={`pose-handle ${handle.kind}`}
      style={{ left: `${100 * x}%`, top: `${100 * y}%` }}
      tabIndex={isCurrent ? 0 : -1}
      aria-label={isHidden ? texts.poses.hiddenJoint(name) : name}
      aria-description={texts.poses.pixels(Math.round(place.x), Math.round(place.y))}
      onFocus={onFocus}
      onKeyDown={onKeyDown}
    />
  );
}

interface KeyContext {
  editor: PersonEditor;
  handles: readonly Handle[];
  focus: (handle: Handle) => void;
  announce: (handle: Handle, dx: number, dy: number) => void;
}

/** Do what a key does with a handle. Returns whether it does something. */
function pressKey(event: KeyboardEvent, handle: Handle, { editor, handles, focus, announce }: KeyContext): boolean {
  const { key, shiftKey } = event;
  const arrow = ARROWS[key];
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return false;
  }
  if (key === "Tab") {
    const next = handles[handles.indexOf(handle) + (shiftKey ? -1 : 1)];
    return next !== undefined && (focus(next), true);
  }
  if (arrow !== undefined) {
    const [dx, dy] = arrow.map((pixels) => pixels * (shiftKey ? 10 : 1)) as [number, number];
    editor.apply(texts.poses.did.move(handleName(handle)), (person) => moveHandle(person, handle, dx, dy), event.repeat);
    announce(handle, dx, dy);
    return true;
  }
  if (handle.kind === "joint" && (key === "Delete" || key === "Backspace")) {
    const next = nextOf(handles, handle, removeJoint(editor, handle.joint, shiftKey));
    return next === undefined || (focus(next), true);
  }
  if (handle.kind === "joint" && key.toLowerCase() === "h") {
    hideJoint(editor, handle.joint, shiftKey);
    return true;
  }
  return false;
}

/** Return the next handle that is not of these joints, else one before. */
function nextOf(handles: readonly Handle[], handle: Handle, gone: readonly Joint[]): Handle | undefined {
  const at = handles.indexOf(handle);
  const isThere = (other: Handle) => other.kind === "part" || !gone.some((joint) => isSameJoint(joint, other.joint));
  return handles.slice(at).find(isThere) ?? handles.slice(0, at).findLast(isThere);
}

/** Return the canvas, painted after each change of what it shows or of its size. */
function useCanvas({ canvas, region, backdrop, painted, editor }: PoseStageProps): RefObject<HTMLCanvasElement | null> {
  const ref = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(entry?.contentRect.width ?? 0));
    observer.observe(ref.current as HTMLCanvasElement);
    return () => observer.disconnect();
  }, []);
  useLayoutEffect(() => {
    const element = ref.current as HTMLCanvasElement;
    const context = element.getContext("2d");
    if (context === null || width === 0) {
      return;
    }
    const ratio = window.devicePixelRatio;
    element.width = Math.round(width * ratio);
    element.height = Math.round((width * ratio * canvas.height) / canvas.width);
    paintScene(context, { canvas, region, backdrop, person: editor.person }, ratio);
  }, [width, canvas, region, backdrop, painted, editor.person]);
  return ref;
}
