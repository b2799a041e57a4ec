import type { Picture } from "../model/settings.ts";
import { texts } from "../../texts.ts";

/** Return what a picture is called: its cell, and its job where there are several. */
export function pictureName({ job, cell }: Picture, names: readonly string[]): string {
  const name = names[job];
  return names.length > 1 && name ? `${name}: ${texts.judge.cells[cell]}` : texts.judge.cells[cell];
}
