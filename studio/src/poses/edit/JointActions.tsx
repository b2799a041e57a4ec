import type { JSX } from "preact";
import { EyeIcon, EyeOffIcon, PlusIcon, TrashIcon } from "../../icons.tsx";
import { texts } from "../../texts.ts";
import { pointOf, type Size } from "../model/document.ts";
import { withJointsBeyond, type Joint } from "../model/joints.ts";
import {
  addMissing,
  capitalized,
  handleName,
  hideJoint,
  jointName,
  placeOf,
  removeJoint,
  type Handle,
  type PersonEditor,
} from "./personEditor.ts";

interface JointActionsProps {
  editor: PersonEditor;
  chosen: Handle | null;
  canvas: Size;
}

/** What can be done with the chosen joint, by pointer. */
export function JointActions({ editor, chosen, canvas }: JointActionsProps): JSX.Element {
  if (chosen === null) {
    return <p class="joint-actions divided hint">{texts.poses.noJoint}</p>;
  }
  const place = placeOf(editor.person, chosen);
  return (
    <div class="joint-actions divided row spread">
      <p>
        <strong>{capitalized(handleName(chosen))}</strong>{" "}
        <span class="num hint">
          {place === null ? texts.poses.missing : texts.poses.pixels(Math.round(place.x), Math.round(place.y))}
        </span>
      </p>
      {chosen.kind === "joint" && <JointButtons editor={editor} joint={chosen.joint} canvas={canvas} />}
    </div>
  );
}

/** The same buttons for joints that are there and for missing ones, so that the focus stays. */
function JointButtons({ editor, joint, canvas }: { editor: PersonEditor; joint: Joint; canvas: Size }): JSX.Element {
  const words = texts.poses.joint;
  const point = pointOf(editor.person, joint);
  const isHidden = point?.isHidden === true;
  const addOrRemove = () => (point === null ? addMissing(editor, joint, canvas) : removeJoint(editor, joint));
  return (
    <div class="row">
      <button class="button quiet" type="button" disabled={point === null} onClick={() => hideJoint(editor, joint)}>
        {isHidden ? <EyeIcon /> : <EyeOffIcon />}
        {isHidden ? words.show : words.hide}
      </button>
      <button class="button quiet" type="button" onClick={addOrRemove}>
        {point === null ? <PlusIcon /> : <TrashIcon />}
        {point === null ? words.add : words.remove}
      </button>
      {withJointsBeyond(joint).length > 1 && (
        <>
          <button class="button quiet" type="button" disabled={point === null} onClick={() => hideJoint(editor, joint, true)}>
            {isHidden ? words.showLimb : words.hideLimb}
          </button>
          <button class="button quiet" type="button" onClick={() => removeJoint(editor, joint, true)}>
            {words.removeLimb}
          </button>
        </>
      )}
    </div>
  );
}

interface MissingJointsProps {
  editor: PersonEditor;
  joints: readonly Joint[];
  canvas: Size;
  onAdded: (handle: Handle) => void;
}

/** The joints that are missing, to be added where they probably are. */
export function MissingJoints({ editor, joints, canvas, onAdded }: MissingJointsProps): JSX.Element | null {
  const missing = joints.filter((joint) => pointOf(editor.person, joint) === null);
  if (missing.length === 0) {
    return null;
  }
  return (
    <div class="row">
      <span class="hint">{texts.poses.missing}</span>
      {missing.map((joint) => (
        <button
          key={`${joint.part} ${joint.index}`}
          class="button"
          type="button"
          aria-label={texts.poses.add(jointName(joint))}
          onClick={() => {
            addMissing(editor, joint, canvas);
            onAdded({ kind: "joint", joint });
          }}
        >
          <PlusIcon />
          {capitalized(jointName(joint))}
        </button>
      ))}
    </div>
  );
}
