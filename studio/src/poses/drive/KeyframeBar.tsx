import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useId } from "preact/hooks";
import { DiamondIcon } from "../../icons.tsx";
import { texts } from "../../texts.ts";
import { limbOf } from "../model/edits.ts";
import { jointsOf, personAt } from "../model/document.ts";
import { PARTS, type Joint } from "../model/joints.ts";
import { fillBetween, spanAround, toggleKeyframe } from "../model/keyframes.ts";
import type { Handle } from "../edit/personEditor.ts";
import { withDriver, type Room } from "../room.ts";
import type { Edits } from "../state.ts";

interface KeyframeBarProps {
  room: Room;
  edits: Edits;
  frame: number;
  /** The joint that is chosen in the editor. */
  chosen: Handle | null;
}

type What = "all" | "joint" | "limb";

/** Marks keyframes, and fills the frames between two of them. */
export function KeyframeBar({ room, edits, frame, chosen }: KeyframeBarProps): JSX.Element {
  const [what, id] = [useSignal<What>("all"), useId()];
  const { did, fill, fillHint, fillWhat, fillJoints, keyframe } = texts.poses;
  const isKeyframe = edits.keyframes.includes(frame);
  const span = spanAround(edits.keyframes, frame);

  const mark = () =>
    room.edit(isKeyframe ? did.noKeyframe(frame) : did.keyframe(frame), (now) => ({
      ...now,
      keyframes: toggleKeyframe(now.keyframes, frame),
    }));

  const fillSpan = ([from, to]: readonly [number, number]) => {
    const joints = what.value === "all" ? undefined : chosenJoints(edits, frame, chosen, what.value);
    room.edit(did.fill(from + 1, to - 1), (now) => withDriver(now, fillBetween(now.driver.edited, 0, [from, to], joints)));
    room.say(did.fill(from + 1, to - 1));
  };
  return (
    <div class="stack divided">
      <div class="row">
        <button class="button" type="button" aria-pressed={isKeyframe} onClick={mark}>
          <DiamondIcon />
          {keyframe}
        </button>
        <button class="button" type="button" disabled={span === null} onClick={() => span && fillSpan(span)}>
          {fill}
        </button>
        <label class="visually-hidden" for={id}>
          {fillWhat}
        </label>
        <select
          id={id}
          class="input auto"
          value={what.value}
          onChange={(event) => (what.value = event.currentTarget.value as What)}
        >
          <option value="all">{fillJoints.all}</option>
          <option value="joint" disabled={chosen === null}>
            {fillJoints.joint}
          </option>
          <option value="limb" disabled={chosen === null}>
            {fillJoints.limb}
          </option>
        </select>
      </div>
      {span === null && <p class="hint">{fillHint}</p>}
    </div>
  );
}

function chosenJoints(edits: Edits, frame: number, chosen: Handle | null, what: "joint" | "limb"): Joint[] {
  const person = personAt(edits.driver.edited, { frame, person: 0 });
  if (chosen === null) {
    return jointsOf(person, PARTS);
  }
  if (chosen.kind === "part") {
    return jointsOf(person, [chosen.part]);
  }
  return what === "joint" ? [chosen.joint] : limbOf(person, chosen.joint);
}
