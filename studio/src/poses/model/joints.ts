/** Joints of a person in OpenPose's order, how they hang together, and their colours. */

export type Part = "body" | "handLeft" | "handRight" | "face";

/** One joint of a person. */
export interface Joint {
  readonly part: Part;
  readonly index: number;
}

/** What a joint hangs on: a joint of the same person, or nothing. */
type Anchors = Readonly<Record<Part, readonly (Joint | null)[]>>;

export const PARTS: readonly Part[] = ["body", "handLeft", "handRight", "face"];

export const NOSE = 0;
export const NECK = 1;
const RIGHT_SHOULDER = 2;
const RIGHT_ELBOW = 3;
const RIGHT_WRIST = 4;
const LEFT_SHOULDER = 5;
const LEFT_ELBOW = 6;
const LEFT_WRIST = 7;
const RIGHT_HIP = 8;
const RIGHT_KNEE = 9;
const RIGHT_ANKLE = 10;
const LEFT_HIP = 11;
const LEFT_KNEE = 12;
const LEFT_ANKLE = 13;
const RIGHT_EYE = 14;
const LEFT_EYE = 15;
const RIGHT_EAR = 16;
const LEFT_EAR = 17;

/** Joints that Tab visits, from the head down. */
export const BODY_ORDER: readonly number[] = [
  NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR, NECK,
  RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST, LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST,
  RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE, LEFT_HIP, LEFT_KNEE, LEFT_ANKLE,
];

export const HEAD: readonly number[] = [NOSE, RIGHT_EYE, LEFT_EYE, RIGHT_EAR, LEFT_EAR];

export const NUM_HAND_JOINTS = 21;
export const FACE_COUNTS: readonly number[] = [68, 70];

/** Pairs of body joints that are connected, in the order in which they are drawn. */
export const LIMBS: readonly (readonly [number, number])[] = [
  [NECK, RIGHT_SHOULDER], [NECK, LEFT_SHOULDER],
  [RIGHT_SHOULDER, RIGHT_ELBOW], [RIGHT_ELBOW, RIGHT_WRIST],
  [LEFT_SHOULDER, LEFT_ELBOW], [LEFT_ELBOW, LEFT_WRIST],
  [NECK, RIGHT_HIP], [RIGHT_HIP, RIGHT_KNEE], [RIGHT_KNEE, RIGHT_ANKLE],
  [NECK, LEFT_HIP], [LEFT_HIP, LEFT_KNEE], [LEFT_KNEE, LEFT_ANKLE],
  [NECK, NOSE], [NOSE, RIGHT_EYE], [RIGHT_EYE, RIGHT_EAR], [NOSE, LEFT_EYE], [LEFT_EYE, LEFT_EAR],
];

/** Pairs of hand joints that are connected: four per finger, from the thumb on. */
export const HAND_EDGES: readonly (readonly [number, number])[] = Array.from(
  { length: NUM_HAND_JOINTS - 1 },
  (_, edge) => [edge % 4 === 0 ? 0 : edge, edge + 1] as const,
);

/** Body joints of the other side, by joint. */
export const MIRRORED: readonly number[] = [
  NOSE, NECK,
  LEFT_SHOULDER, LEFT_ELBOW, LEFT_WRIST, RIGHT_SHOULDER, RIGHT_ELBOW, RIGHT_WRIST,
  LEFT_HIP, LEFT_KNEE, LEFT_ANKLE, RIGHT_HIP, RIGHT_KNEE, RIGHT_ANKLE,
  LEFT_EYE, RIGHT_EYE, LEFT_EAR, RIGHT_EAR,
];

/** The hand that hangs on a wrist, and the face that hangs on the nose. */
export const CARRIED: ReadonlyMap<number, Part> = new Map<number, Part>([
  [LEFT_WRIST, "handLeft"],
  [RIGHT_WRIST, "handRight"],
  [NOSE, "face"],
]);

/** The body joint on which a hand or the face hangs. */
export const CARRIER: Readonly<Record<Exclude<Part, "body">, number>> = {
  handLeft: LEFT_WRIST,
  handRight: RIGHT_WRIST,
  face: NOSE,
};

/** The elbow of each hand's arm. */
export const ELBOW: Readonly<Record<"handLeft" | "handRight", number>> = {
  handLeft: LEFT_ELBOW,
  handRight: RIGHT_ELBOW,
};

export const ANCHORS: Anchors = {
  body: BODY_ORDER.map((_, index) => anchorOf(LIMBS, "body", index)),
  handLeft: handAnchors("handLeft"),
  handRight: handAnchors("handRight"),
  face: Array.from({ length: 70 }, () => ({ part: "body", index: NOSE }) as const),
};

/** CSS colours of body joints; limb i has colour i. They are those of the skeletons of the service. */
export const BODY_COLORS: readonly string[] = [
  "#ff0000", "#ff5500", "#ffaa00", "#ffff00", "#aaff00", "#55ff00", "#00ff00", "#00ff55", "#00ffaa",
  "#00ffff", "#00aaff", "#0055ff", "#0000ff", "#5500ff", "#aa00ff", "#ff00ff", "#ff00aa", "#ff0055",
];

/** Return a joint and all that hang on it, farther from the neck: of an elbow also wrist and hand. */
export function withJointsBeyond(joint: Joint): Joint[] {
  const found = [joint];
  for (const each of found) {
    for (const part of PARTS) {
      ANCHORS[part].forEach((anchor, index) => {
        if (anchor?.part === each.part && anchor.index === each.index) {
          found.push({ part, index });
        }
      });
    }
  }
  return found;
}

/** Return joints so that each comes after the one on which it hangs. */
export function anchorsFirst(): Joint[] {
  return withJointsBeyond({ part: "body", index: NECK });
}

/** Return whether two joints are the same one. */
export function isSameJoint(one: Joint, other: Joint): boolean {
  return one.part === other.part && one.index === other.index;
}

function anchorOf(edges: readonly (readonly [number, number])[], part: Part, index: number): Joint | null {
  const edge = edges.find(([, outer]) => outer === index);
  return edge === undefined ? null : { part, index: edge[0] };
}

function handAnchors(part: "handLeft" | "handRight"): Joint[] {
  const wrist = { part: "body", index: part === "handLeft" ? LEFT_WRIST : RIGHT_WRIST } as const;
  return Array.from({ length: NUM_HAND_JOINTS }, (_, index) => anchorOf(HAND_EDGES, part, index) ?? wrist);
}
