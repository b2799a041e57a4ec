/** Regions of a canvas that an editor shows. */

import { pointOf, type Person, type Position, type Size } from "./document.ts";
import type { Joint } from "./joints.ts";

/** A part of the canvas, in its pixels. */
export interface Region extends Position, Size {}

// Around the joints, as a share of their extent; and the least side, as a share of the canvas.
const MARGIN = 0.35;
const LEAST_SIDE = 0.06;

/** Return the whole canvas. */
export function wholeRegion({ width, height }: Size): Region {
  return { x: 0, y: 0, width, height };
}

/**
 * Return the region around joints, of the canvas's own aspect; the whole canvas if none is there.
 *
 * It may reach over the canvas's edge, as joints may.
 */
export function regionAround(person: Person, joints: readonly Joint[], canvas: Size): Region {
  const points = joints.flatMap((joint) => pointOf(person, joint) ?? []);
  if (points.length === 0) {
    return wholeRegion(canvas);
  }
  const [left, right] = extent(points.map(({ x }) => x));
  const [top, bottom] = extent(points.map(({ y }) => y));
  const needed = Math.max((right - left) / canvas.width, (bottom - top) / canvas.height);
  const scale = Math.min(Math.max(needed * (1 + 2 * MARGIN), LEAST_SIDE), 1);
  const [width, height] = [scale * canvas.width, scale * canvas.height];
  return { x: (left + right - width) / 2, y: (top + bottom - height) / 2, width, height };
}

/** Return where a region of a canvas is in a picture of that canvas, which fills a part of another one. */
export function within(region: Region, canvas: Size, part: Region): Region {
  const [across, down] = [part.width / canvas.width, part.height / canvas.height];
  return {
    x: part.x + region.x * across,
    y: part.y + region.y * down,
    width: region.width * across,
    height: region.height * down,
  };
}

/** Return the largest part of a cell that has the aspect of a canvas, in its middle. */
export function fitted(canvas: Size, cell: Region): Region {
  const scale = Math.min(cell.width / canvas.width, cell.height / canvas.height);
  const [width, height] = [scale * canvas.width, scale * canvas.height];
  return { x: cell.x + (cell.width - width) / 2, y: cell.y + (cell.height - height) / 2, width, height };
}

/** Return a position of the canvas as shares of the region, 0..1 inside it. */
export function toShares({ x, y }: Position, region: Region): Position {
  return { x: (x - region.x) / region.width, y: (y - region.y) / region.height };
}

/** Return the position in the canvas of shares of the region. */
export function fromShares({ x, y }: Position, region: Region): Position {
  return { x: region.x + x * region.width, y: region.y + y * region.height };
}

function extent(values: readonly number[]): readonly [number, number] {
  return [Math.min(...values), Math.max(...values)];
}
