/** The part of a picture that is kept. Pure. */

export interface Size {
  width: number;
  height: number;
}

/** In whole pixels of the picture. */
export interface Box extends Size {
  x: number;
  y: number;
}

export const CORNERS = ["nw", "ne", "sw", "se"] as const;
export type Handle = "all" | (typeof CORNERS)[number];

/** A shorter side is of no use: the service takes sides from 16 pixels on. */
const LEAST = 16;

/** Return the box with a handle moved by (dx, dy) pixels, as far as the picture reaches; `aspect` is width / height or free. */
export function moved(box: Box, handle: Handle, dx: number, dy: number, picture: Size, aspect: number | null): Box {
  if (handle === "all") {
    return {
      ...box,
      x: clamp(Math.round(box.x + dx), 0, picture.width - box.width),
      y: clamp(Math.round(box.y + dy), 0, picture.height - box.height),
    };
  }
  const [isLeft, isTop] = [handle.endsWith("w"), handle.startsWith("n")];
  const room = {
    width: isLeft ? box.x + box.width : picture.width - box.x,
    height: isTop ? box.y + box.height : picture.height - box.y,
  };
  const wanted = { width: box.width + (isLeft ? -dx : dx), height: box.height + (isTop ? -dy : dy) };
  const isUpright = Math.abs(dy) > Math.abs(dx);
  const { width, height } =
    aspect === null
      ? { width: clamp(wanted.width, LEAST, room.width), height: clamp(wanted.height, LEAST, room.height) }
      : withinRoom(isUpright ? wanted.height * aspect : wanted.width, aspect, room);
  const size = rounded({ width, height }, room);
  return {
    ...size,
    x: isLeft ? box.x + box.width - size.width : box.x,
    y: isTop ? box.y + box.height - size.height : box.y,
  };
}

/** Return the largest box of this aspect in the picture, about the middle of the one before; the whole picture if free. */
export function largest(box: Box, picture: Size, aspect: number | null): Box {
  const wanted = aspect === null ? picture : withinRoom(picture.width, aspect, picture);
  const size = rounded(wanted, picture);
  const middle = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  return {
    ...size,
    x: clamp(Math.round(middle.x - size.width / 2), 0, picture.width - size.width),
    y: clamp(Math.round(middle.y - size.height / 2), 0, picture.height - size.height),
  };
}

function withinRoom(width: number, aspect: number, room: Size): Size {
  const most = Math.min(room.width, room.height * aspect);
  const kept = clamp(width, LEAST * Math.max(1, aspect), most);
  return { width: kept, height: kept / aspect };
}

function rounded({ width, height }: Size, room: Size): Size {
  return { width: clamp(Math.round(width), 1, room.width), height: clamp(Math.round(height), 1, room.height) };
}

/** The upper bound wins where there is no room for the lower one. */
function clamp(value: number, least: number, most: number): number {
  return Math.min(Math.max(value, least), most);
}
