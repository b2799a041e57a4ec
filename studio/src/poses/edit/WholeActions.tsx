import type { JSX } from "preact";
import { texts } from "../../texts.ts";
import type { Size } from "../model/document.ts";
import { addHand, mirrorHand, mirrorPerson, removePart, standingPerson, swapSides } from "../model/edits.ts";
import type { Change, PersonEditor, View } from "./personEditor.ts";

interface WholeActionsProps {
  editor: PersonEditor;
  view: View;
  canvas: Size;
  resets: readonly Reset[];
}

/** Makes poses as they were detected; null if they are. */
export interface Reset {
  readonly label: string;
  readonly run: (() => void) | null;
}

/** What can be done with the whole pose, or with the hand that is shown. */
export function WholeActions({ editor, view, canvas, resets }: WholeActionsProps): JSX.Element {
  const { whole } = texts.poses;
  const actions: (readonly [string, Change])[] = [];
  if (editor.person.body.every((point) => point === null)) {
    actions.push([whole.addPose, () => standingPerson(canvas)]);
  } else if (view === "handLeft" || view === "handRight") {
    if (editor.person[view] === null) {
      actions.push([whole.addHand, (person) => addHand(person, view, canvas)]);
    } else {
      actions.push([whole.mirrorHand, (person) => mirrorHand(person, view)]);
      actions.push([whole.removeHand, (person) => removePart(person, view)]);
    }
  } else {
    actions.push([whole.swap, swapSides], [whole.mirror, mirrorPerson]);
  }
  return (
    <div class="row" role="group" aria-label={whole.title}>
      {actions.map(([label, change]) => (
        <button key={label} class="button" type="button" onClick={() => editor.apply(label, change)}>
          {label}
        </button>
      ))}
      {resets.map(({ label, run }) => (
        <button key={label} class="button" type="button" disabled={run === null} onClick={() => run?.()}>
          {label}
        </button>
      ))}
    </div>
  );
}
