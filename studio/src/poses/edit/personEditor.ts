/** What the editor of one pose does with it: each change is a function from person to person. */

import { addJoint, hideJoints, limbOf, moveJoint, movePart, removeJoints, showJoints } from "../model/edits.ts";
import { jointsOf, pointOf, type Person, type Point, type Position, type Size } from "../model/document.ts";
import { BODY_ORDER, CARRIER, HEAD, type Joint, type Part } from "../model/joints.ts";
import { texts } from "../../texts.ts";

export type Change = (person: Person) => Person;

/** The person that is edited, and where its changes go. */
export interface PersonEditor {
  readonly person: Person;
  /** The person as it was before the drag that goes on. */
  readonly settled: Person;
  /** Show a change while a drag goes on. */
  readonly draft: (change: Change) => void;
  /** End a drag: one step. */
  readonly drop: (label: string) => void;
  readonly cancel: () => void;
  /** Make a change, which is one step, or part of the last one where it joins it. */
  readonly apply: (label: string, change: Change, joins?: boolean) => void;
}

/** What can be dragged: a joint, or a whole hand or face. */
export type Handle = { readonly kind: "joint"; readonly joint: Joint } | { readonly kind: "part"; readonly part: Exclude<Part, "body"> };

/** Part of the person that an editor shows. */
export type View = "body" | "head" | "handLeft" | "handRight";

export const VIEWS: readonly View[] = ["body", "head", "handLeft", "handRight"];

/** Return the joints of a view, in the order in which Tab visits them. */
export function jointsOfView(person: Person, view: View): Joint[] {
  switch (view) {
    case "body":
      return bodyJoints(BODY_ORDER);
    case "head":
      return [...bodyJoints(HEAD), ...jointsOf(person, ["face"])];
    default:
      return jointsOf(person, [view]);
  }
}

/** Return the handles of a view whose joints are there, hidden or not. */
export function handlesOf(person: Person, view: View): Handle[] {
  const joints = jointsOfView(person, view).filter((joint) => pointOf(person, joint) !== null);
  const handles = joints.map((joint): Handle => ({ kind: "joint", joint }));
  const hasHand = (view === "handLeft" || view === "handRight") && handles.length > 0;
  return hasHand ? [{ kind: "part", part: view }, ...handles] : handles;
}

/** Return where a handle is, in pixels of the canvas. A hand's is in the middle of its palm. */
export function placeOf(person: Person, handle: Handle): Position | null {
  if (handle.kind === "joint") {
    return pointOf(person, handle.joint);
  }
  const points = person[handle.part] ?? [];
  const palm = PALM.flatMap((index) => points[index] ?? []);
  return middle(palm.length > 0 ? palm : points.flatMap((point) => point ?? []));
}

/** Move what a handle holds by (dx, dy) pixels. */
export function moveHandle(person: Person, handle: Handle, dx: number, dy: number): Person {
  return handle.kind === "joint" ? moveJoint(person, handle.joint, dx, dy) : movePart(person, handle.part, dx, dy);
}

/** Remove a joint, alone or with all beyond it; return those that were removed. */
export function removeJoint(editor: PersonEditor, joint: Joint, isLimb = false): readonly Joint[] {
  const joints = isLimb ? limbOf(editor.settled, joint) : [joint];
  editor.apply(texts.poses.did.remove(nameOf(joint, isLimb)), (person) => removeJoints(person, joints));
  return joints;
}

/** Hide a joint, alone or with all beyond it; one that is hidden is shown again. */
export function hideJoint(editor: PersonEditor, joint: Joint, isLimb = false): void {
  const joints = isLimb ? limbOf(editor.settled, joint) : [joint];
  const isHidden = pointOf(editor.settled, joint)?.isHidden === true;
  const label = isHidden ? texts.poses.did.show : texts.poses.did.hide;
  editor.apply(label(nameOf(joint, isLimb)), (person) => (isHidden ? showJoints : hideJoints)(person, joints));
}

/** Add a missing joint where it probably is. */
export function addMissing(editor: PersonEditor, joint: Joint, canvas: Size): void {
  editor.apply(texts.poses.did.add(jointName(joint)), (person) => addJoint(person, joint, canvas));
}

/** Return the name of a handle within a sentence. */
export function handleName(handle: Handle): string {
  return handle.kind === "joint" ? jointName(handle.joint) : texts.poses.wholeHand[handle.part];
}

/** Return the name of a joint within a sentence. */
export function jointName({ part, index }: Joint): string {
  const { body, hands, palm, fingers, finger, face } = texts.poses.joints;
  if (part === "body") {
    return body[index] ?? String(index);
  }
  if (part === "face") {
    return face(index + 1);
  }
  return index === 0
    ? `${hands[part]}, ${palm}`
    : finger(hands[part], fingers[Math.floor((index - 1) / 4)] ?? "", ((index - 1) % 4) + 1);
}

/** Return a name at the beginning of a label. */
export function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** Return a text that is the same for the same handle. */
export function handleKey(handle: Handle): string {
  return handle.kind === "joint" ? `${handle.joint.part} ${handle.joint.index}` : handle.part;
}

/** Return the joints around which a view is zoomed; of a hand that is missing, its wrist. */
export function zoomedJoints(person: Person, view: View): Joint[] {
  if (view === "body") {
    return [];
  }
  const joints = jointsOfView(person, view);
  return joints.length > 0 || view === "head" ? joints : [{ part: "body", index: CARRIER[view] }];
}

// Wrist, and the first joints of the fingers.
const PALM = [0, 5, 9, 13, 17];

function nameOf(joint: Joint, isLimb: boolean): string {
  return isLimb ? texts.poses.did.limb(jointName(joint)) : jointName(joint);
}

function bodyJoints(indices: readonly number[]): Joint[] {
  return indices.map((index) => ({ part: "body", index }));
}

function middle(points: readonly Point[]): Position | null {
  if (points.length === 0) {
    return null;
  }
  const sum = points.reduce((total, { x, y }) => ({ x: total.x + x, y: total.y + y }), { x: 0, y: 0 });
  return { x: sum.x / points.length, y: sum.y / points.length };
}
