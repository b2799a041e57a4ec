import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useId, useMemo } from "preact/hooks";
import { texts } from "../../texts.ts";
import type { Size } from "../model/document.ts";
import { regionAround } from "../model/geometry.ts";
import { JointActions, MissingJoints } from "./JointActions.tsx";
import { JointTable } from "./JointTable.tsx";
import type { Backdrop } from "./paint.ts";
import { handlesOf, jointsOfView, VIEWS, zoomedJoints, type Handle, type PersonEditor, type View } from "./personEditor.ts";
import { PoseStage } from "./PoseStage.tsx";
import { WholeActions, type Reset } from "./WholeActions.tsx";

interface PoseEditorProps {
  /** Name of the group of joints. */
  label: string;
  canvas: Size;
  backdrop: Backdrop | null;
  painted?: number;
  editor: PersonEditor;
  /** Changes when another person or frame is shown, which a zoomed view follows. */
  shown: string | number;
  /** Whether joints cannot be moved now, as while a video plays. */
  isLocked?: boolean;
  /** Called with the chosen joint. */
  onChoose?: (handle: Handle) => void;
  onAnnounce: (text: string) => void;
  resets: readonly Reset[];
  /** Beside the stage's views, such as a transport. */
  children?: ComponentChildren;
}

/** The editor of one pose: over its picture, by pointer, keyboard or numbers; hands and head zoomed. */
export function PoseEditor(props: PoseEditorProps): JSX.Element {
  const { canvas, editor, shown, onChoose, onAnnounce } = props;
  const [view, chosen] = [useSignal<View>("body"), useSignal<Handle | null>(null)];
  const hasHand = (view.value === "handLeft" || view.value === "handRight") && editor.settled[view.value] !== null;
  // A view stays where it is while its joints move.
  const region = useMemo(
    () => regionAround(editor.settled, zoomedJoints(editor.settled, view.value), canvas),
    [view.value, hasHand, shown, canvas],
  );
  const handles = props.isLocked === true ? [] : handlesOf(editor.person, view.value);
  const joints = jointsOfView(editor.person, view.value);

  const focusOn = useSignal<{ handle: Handle } | null>(null);
  const choose = (handle: Handle) => {
    chosen.value = handle;
    onChoose?.(handle);
  };
  const show = (next: View) => {
    view.value = next;
    chosen.value = null;
  };
  return (
    <div class="pose-editor">
      <ViewChoice view={view.value} onChange={show} />
      <PoseStage
        label={props.label}
        canvas={canvas}
        region={region}
        backdrop={props.backdrop}
        {...(props.painted !== undefined && { painted: props.painted })}
        editor={editor}
        handles={handles}
        chosen={chosen.value}
        focusOn={focusOn.value}
        onChoose={choose}
        onAnnounce={onAnnounce}
      />
      {props.children}
      <JointActions editor={editor} chosen={chosen.value} canvas={canvas} />
      <MissingJoints editor={editor} joints={joints} canvas={canvas} onAdded={(handle) => (focusOn.value = { handle })} />
      <WholeActions editor={editor} view={view.value} canvas={canvas} resets={props.resets} />
      <JointTable editor={editor} joints={joints} canvas={canvas} />
    </div>
  );
}

function ViewChoice({ view, onChange }: { view: View; onChange: (view: View) => void }): JSX.Element {
  const name = useId();
  return (
    <fieldset class="segments">
      <legend class="visually-hidden">{texts.poses.view}</legend>
      {VIEWS.map((each) => (
        <label key={each} class="segment">
          <input type="radio" name={name} checked={each === view} onChange={() => onChange(each)} />
          <span>{texts.poses.views[each]}</span>
        </label>
      ))}
    </fieldset>
  );
}
