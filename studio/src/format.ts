/** Numbers and durations as text. */

import { texts } from "./texts.ts";

/** Return a duration such as `8 s`, `1 min 20 s`, `2 h 5 min`. */
export function duration(seconds: number): string {
  const whole = Math.max(1, Math.round(seconds));
  if (whole < 60) {
    return texts.time.seconds(whole);
  }
  if (whole < 3600) {
    return texts.time.minutes(Math.floor(whole / 60), whole % 60);
  }
  const minutes = Math.round(whole / 60);
  return texts.time.hours(Math.floor(minutes / 60), minutes % 60);
}

/** Return a share from 0 to 1 as a whole percentage; 100 only when it is complete. */
export function percent(fraction: number): number {
  return fraction >= 1 ? 100 : Math.max(0, Math.floor(fraction * 100));
}

/** Return a size such as `2.4 MB`. */
export function fileSize(bytes: number): string {
  const units = ["B", "kB", "MB", "GB"];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(bytes, 1)) / 3));
  const value = bytes / 1000 ** power;
  return `${power === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[power]}`;
}
