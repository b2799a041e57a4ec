/** Which input a dropped or pasted file is for. Pure. */

import type { InputName } from "../api/index.ts";

const PICTURE = /\.(png|jpe?g|webp|bmp|tiff?|avif|heic)$/i;
const DRIVER = /\.(mp4|m4v|mov|mkv|webm|avi|mpe?g|flv|og[gv]|wmv|gif|apng|json|zip)$/i;

/**
 * Return the input for a file, by its type and name; null if it fits neither.
 *
 * @param taken The input that other files of the same drop fill already.
 */
export function inputFor(file: { name: string; type: string }, taken: InputName | null): InputName | null {
  // GIF, WebP, PNG and AVIF may move: a second picture is taken as the driving video.
  if (file.type.startsWith("image/") && file.type !== "image/gif") {
    return taken === "picture" ? "driver" : "picture";
  }
  if (file.type.startsWith("video/") || DRIVER.test(file.name)) {
    return "driver";
  }
  return PICTURE.test(file.name) ? "picture" : null;
}

/** Return the files of a drop or paste with the input of each, or the name of one that fits none. */
export function sortFiles(files: readonly File[]): Map<InputName, File> | { unknown: string } {
  const sorted = new Map<InputName, File>();
  for (const file of files) {
    const name = inputFor(file, sorted.has("picture") ? "picture" : null);
    if (name === null) {
      return { unknown: file.name };
    }
    sorted.set(name, file);
  }
  return sorted;
}
