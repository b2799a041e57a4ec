/** The service's analysis of a driving file, as this step uses it. */

import type { components } from "tcan-client";
import { texts } from "../texts.ts";
import { parseFps } from "./model/trim.ts";
import type { Analysis, FoundPerson } from "./state.ts";

type Schemas = components["schemas"];

/** Return what the service found. */
export function readAnalysis(found: Schemas["Analysis"]): Analysis {
  return {
    fps: parseFps(found.fps),
    confidence: found.confidence,
    repaired: new Map(found.repaired.map((repair) => [repair.frame, reason(repair)])),
    outside: found.outside ?? [],
    people: found.people.flatMap((person) => choice(person)),
  };
}

/** Return the person if it can be asked for. */
function choice({ number, is_followed, share, frame, box, color }: Schemas["FoundPerson"]): FoundPerson[] {
  const [left, top, right, bottom] = box;
  const place = { x: left, y: top, width: right - left, height: bottom - top };
  return number === null || number === undefined
    ? []
    : [{ number, isFollowed: is_followed, share, frame, box: place, color: color ?? null }];
}

function reason({ rejected, filled, dropped }: Schemas["Repair"]): string {
  const { jumped, wasMissing, tooBrief } = texts.poses.repairs;
  const parts = [
    [rejected, jumped],
    [filled.filter((joint) => !rejected.includes(joint)), wasMissing],
    [dropped, tooBrief],
  ] as const;
  return parts
    .filter(([joints]) => joints.length > 0)
    .map(([joints, what]) => what(joints.map((joint) => joint.replaceAll("_", " ")).join(", ")))
    .join("; ");
}
