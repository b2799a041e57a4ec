/** The kept part of a picture as a file, and the sizes of pictures and videos. */

import { texts } from "../../texts.ts";
import type { Box, Size } from "./box.ts";

/**
 * Return a part of a picture as a PNG.
 *
 * @throws Error This browser cannot draw it.
 */
export async function cropFile(file: File, box: Box): Promise<File> {
  const picture = await createImageBitmap(file);
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [box.width, box.height];
  canvas.getContext("2d")?.drawImage(picture, -box.x, -box.y);
  picture.close();
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob === null) {
    throw new Error(texts.crop.failed);
  }
  return new File([blob], `${file.name.replace(/\.\w+$/, "")} ${box.width}x${box.height}.png`, { type: blob.type });
}

/** Return the size of a video or picture; null where this browser cannot tell. */
export function readSize(url: string): Promise<Size | null> {
  return new Promise((resolve) => {
    const video = document.createElement("video");
    video.preload = "metadata";
    video.onloadedmetadata = () => resolve({ width: video.videoWidth, height: video.videoHeight });
    video.onerror = () => {
      const picture = new Image();
      picture.onload = () => resolve({ width: picture.naturalWidth, height: picture.naturalHeight });
      picture.onerror = () => resolve(null);
      picture.src = url;
    };
    video.src = url;
  });
}
