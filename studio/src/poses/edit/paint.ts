/** Painting of a picture or video frame with a skeleton over it, into one canvas. */

import { pointOf, type Person, type Point, type Size } from "../model/document.ts";
import type { Region } from "../model/geometry.ts";
import { BODY_COLORS, HAND_EDGES, LIMBS, type Joint, type Part } from "../model/joints.ts";

/** What lies under a skeleton: a part of a picture or video, which fills the canvas of the pose. */
export interface Backdrop {
  readonly source: CanvasImageSource;
  readonly crop: Region;
}

export interface Scene {
  readonly canvas: Size;
  readonly region: Region;
  readonly backdrop: Backdrop | null;
  readonly person: Person;
}

// Widths and radii in CSS pixels.
const LIMB_WIDTH = 4;
const HAND_WIDTH = 2;
const JOINT_RADIUS = 4;
const HAND_RADIUS = 3;
const FACE_RADIUS = 1.5;
const OUTLINE = 1.5;
const OUTLINE_COLOR = "rgb(0 0 0 / 0.75)";
const FACE_COLOR = "#ffffff";
const LIMB_ALPHA = 0.75;
const HIDDEN_ALPHA = 0.45;

/**
 * Paint a scene into the whole of a canvas element.
 *
 * @param pixelRatio Pixels of the canvas element per CSS pixel.
 */
export function paintScene(context: CanvasRenderingContext2D, scene: Scene, pixelRatio: number): void {
  const { canvas, region, backdrop, person } = scene;
  const scale = context.canvas.width / region.width;
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, context.canvas.width, context.canvas.height);
  context.setTransform(scale, 0, 0, scale, -region.x * scale, -region.y * scale);
  if (backdrop !== null) {
    const { x, y, width, height } = backdrop.crop;
    context.imageSmoothingQuality = "high";
    context.drawImage(backdrop.source, x, y, width, height, 0, 0, canvas.width, canvas.height);
  }
  paintPerson(context, person, pixelRatio / scale);
}

/** Paint a skeleton; `unit` is a CSS pixel in pixels of the pose's canvas. */
function paintPerson(context: CanvasRenderingContext2D, person: Person, unit: number): void {
  LIMBS.forEach(([inner, outer], index) => {
    const color = BODY_COLORS[index] ?? FACE_COLOR;
    paintEdge(context, person, "body", [inner, outer], color, LIMB_WIDTH * unit, unit);
  });
  for (const part of ["handLeft", "handRight"] as const) {
    HAND_EDGES.forEach((edge, index) => {
      paintEdge(context, person, part, edge, handColor(index), HAND_WIDTH * unit, unit);
    });
    paintPoints(context, person, part, handColor, HAND_RADIUS * unit, unit);
  }
  paintPoints(context, person, "face", () => FACE_COLOR, FACE_RADIUS * unit, unit);
  paintPoints(context, person, "body", (index) => BODY_COLORS[index] ?? FACE_COLOR, JOINT_RADIUS * unit, unit);
}

function paintEdge(
  context: CanvasRenderingContext2D,
  person: Person,
  part: Part,
  [start, end]: readonly [number, number],
  color: string,
  width: number,
  unit: number,
): void {
  const [one, other] = [start, end].map((index) => pointOf(person, { part, index } satisfies Joint));
  if (!one || !other) {
    return;
  }
  const isHidden = one.isHidden === true || other.isHidden === true;
  context.setLineDash(isHidden ? [2 * width, 2 * width] : []);
  context.globalAlpha = isHidden ? HIDDEN_ALPHA : LIMB_ALPHA;
  context.lineCap = "round";
  context.beginPath();
  context.moveTo(one.x, one.y);
  context.lineTo(other.x, other.y);
  stroke(context, OUTLINE_COLOR, width + 2 * OUTLINE * unit);
  stroke(context, color, width);
  context.globalAlpha = 1;
  context.setLineDash([]);
}

function paintPoints(
  context: CanvasRenderingContext2D,
  person: Person,
  part: Part,
  colorOf: (index: number) => string,
  radius: number,
  unit: number,
): void {
  person[part]?.forEach((point, index) => {
    if (point !== null) {
      paintPoint(context, point, colorOf(index), radius, unit);
    }
  });
}

function paintPoint(context: CanvasRenderingContext2D, point: Point, color: string, radius: number, unit: number): void {
  context.beginPath();
  context.arc(point.x, point.y, radius, 0, 2 * Math.PI);
  stroke(context, OUTLINE_COLOR, 2 * OUTLINE * unit);
  if (point.isHidden === true) {
    stroke(context, color, OUTLINE * unit);
  } else {
    context.fillStyle = color;
    context.fill();
  }
}

function stroke(context: CanvasRenderingContext2D, color: string, width: number): void {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.stroke();
}

function handColor(index: number): string {
  return `hsl(${(index * 360) / HAND_EDGES.length} 100% 60%)`;
}
