import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { percent } from "../../format.ts";
import { EyeIcon, EyeOffIcon, PlusIcon, TrashIcon } from "../../icons.tsx";
import { texts } from "../../texts.ts";
import { pointOf, type Size } from "../model/document.ts";
import { placeJoint } from "../model/edits.ts";
import type { Joint } from "../model/joints.ts";
import { addMissing, capitalized, hideJoint, jointName, removeJoint, type PersonEditor } from "./personEditor.ts";

interface JointTableProps {
  editor: PersonEditor;
  joints: readonly Joint[];
  canvas: Size;
}

/** The joints as numbers: another way to everything that dragging does. */
export function JointTable({ editor, joints, canvas }: JointTableProps): JSX.Element {
  const isOpen = useSignal(false);
  const { numbers, columns } = texts.poses;
  return (
    <details onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
      <summary>{numbers}</summary>
      {isOpen.value && (
        <div class="joint-table">
          <table>
            <thead>
              <tr>
                <th scope="col">{columns.joint}</th>
                <th scope="col">{columns.x}</th>
                <th scope="col">{columns.y}</th>
                <th scope="col">{columns.confidence}</th>
                <th scope="col">{columns.state}</th>
              </tr>
            </thead>
            <tbody>
              {joints.map((joint) => (
                <Row key={`${joint.part} ${joint.index}`} editor={editor} joint={joint} canvas={canvas} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}

function Row({ editor, joint, canvas }: { editor: PersonEditor; joint: Joint; canvas: Size }): JSX.Element {
  const point = pointOf(editor.person, joint);
  const name = capitalized(jointName(joint));
  const { did, add, coordinate, columns } = texts.poses;

  const place = (axis: "x" | "y", input: HTMLInputElement) => {
    const value = input.valueAsNumber;
    if (point !== null && Number.isFinite(value)) {
      editor.apply(did.type(jointName(joint)), (person) => placeJoint(person, joint, { x: point.x, y: point.y, [axis]: value }));
    } else {
      input.value = point === null ? "" : point[axis].toFixed(1);
    }
  };
  return (
    <tr>
      <th scope="row">{name}</th>
      {(["x", "y"] as const).map((axis) => (
        <td key={axis}>
          <input
            class="input num"
            type="number"
            step="any"
            aria-label={coordinate(name, columns[axis])}
            value={point === null ? "" : point[axis].toFixed(1)}
            disabled={point === null}
            onChange={(event) => place(axis, event.currentTarget)}
          />
        </td>
      ))}
      <td class="num">{point === null ? "–" : `${percent(point.confidence)} %`}</td>
      <td>
        {point === null ? (
          <button
            class="button quiet icon"
            type="button"
            aria-label={add(jointName(joint))}
            onClick={() => addMissing(editor, joint, canvas)}
          >
            <PlusIcon />
          </button>
        ) : (
          <>
            <button
              class="button quiet icon"
              type="button"
              aria-label={(point.isHidden ? did.show : did.hide)(jointName(joint))}
              onClick={() => hideJoint(editor, joint)}
            >
              {point.isHidden ? <EyeIcon /> : <EyeOffIcon />}
            </button>
            <button
              class="button quiet icon"
              type="button"
              aria-label={did.remove(jointName(joint))}
              onClick={() => removeJoint(editor, joint)}
            >
              <TrashIcon />
            </button>
          </>
        )}
      </td>
    </tr>
  );
}
