/** Settings of this browser. They are all that the page stores. */

import { signal, type Signal } from "@preact/signals";

const PREFIX = "tcan.studio.";

/**
 * Return a signal whose value survives a reload.
 *
 * @param isValid Whether a stored value, perhaps of an older release, may be used.
 */
export function setting<T>(name: string, initial: T, isValid: (value: unknown) => value is T): Signal<T> {
  const value = signal(read(name, initial, isValid));
  value.subscribe((now) => write(name, now));
  return value;
}

function read<T>(name: string, initial: T, isValid: (value: unknown) => value is T): T {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(PREFIX + name) ?? "null");
    return isValid(stored) ? stored : initial;
  } catch {
    return initial;
  }
}

function write(name: string, value: unknown): void {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // A private window may refuse storage; the page works without it.
  }
}
