/** Keys of the player. They work while it has the focus, so that they are nobody else's. */

import { MODES, type Mode } from "../model/settings.ts";

export type Command =
  | { kind: "toggle" }
  | { kind: "step"; by: number }
  | { kind: "seek"; to: "first" | "last" }
  | { kind: "loop" }
  | { kind: "skeleton" }
  | { kind: "speed"; direction: 1 | -1 }
  | { kind: "offset"; by: 1 | -1 | 0 }
  | { kind: "swap" }
  | { kind: "fullScreen" }
  | { kind: "keys" }
  | { kind: "mode"; mode: Mode };

const COMMANDS: Record<string, Command> = {
  " ": { kind: "toggle" },
  k: { kind: "toggle" },
  ArrowLeft: { kind: "step", by: -1 },
  ArrowRight: { kind: "step", by: 1 },
  ",": { kind: "step", by: -1 },
  ".": { kind: "step", by: 1 },
  Home: { kind: "seek", to: "first" },
  End: { kind: "seek", to: "last" },
  l: { kind: "loop" },
  b: { kind: "skeleton" },
  "[": { kind: "speed", direction: -1 },
  "]": { kind: "speed", direction: 1 },
  "-": { kind: "offset", by: -1 },
  "+": { kind: "offset", by: 1 },
  "0": { kind: "offset", by: 0 },
  s: { kind: "swap" },
  f: { kind: "fullScreen" },
  "?": { kind: "keys" },
  ...Object.fromEntries(MODES.map((mode, index) => [String(index + 1), { kind: "mode", mode }] as const)),
};

/** What has the focus, as far as it has keys of its own. */
export type Focus = "text" | "slider" | "button" | "other";

const OWN_KEYS: Record<Focus, RegExp> = {
  text: /./,
  slider: /^(Arrow|Home|End|Page)/,
  button: /^( |Enter)$/,
  other: /^$/,
};

/** Return what a key asks for; undefined where it belongs to the focused field or the browser. */
export function commandOf(
  event: { key: string; ctrlKey: boolean; altKey: boolean; metaKey: boolean; shiftKey: boolean },
  focus: Focus,
): Command | undefined {
  if (event.ctrlKey || event.altKey || event.metaKey || OWN_KEYS[focus].test(event.key)) {
    return undefined;
  }
  const command = COMMANDS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  return command?.kind === "step" && event.shiftKey ? { ...command, by: command.by * 10 } : command;
}

/** Return what kind of field an element is. */
export function focusOf(target: EventTarget | null): Focus {
  if (target instanceof HTMLInputElement) {
    return target.type === "range" ? "slider" : target.type === "checkbox" ? "button" : "text";
  }
  if (target instanceof HTMLSelectElement || target instanceof HTMLTextAreaElement) {
    return "text";
  }
  return target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement || isSummary(target)
    ? "button"
    : "other";
}

function isSummary(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.tagName === "SUMMARY";
}
