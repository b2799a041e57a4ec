/** One input of a job, from the choice of a file to the id under which a job uses it. Pure. */

import type { Trouble } from "../api/index.ts";

/** `original` is the picture that the file is a part of. */
export type Source = { kind: "file"; file: File; original?: File } | { kind: "address"; url: string };

export type InputState =
  | { kind: "empty"; trouble: Trouble | null }
  /** `sent` is a share from 0 to 1; `isInterrupted` while a broken connection is made again. */
  | { kind: "sending"; source: Source; sent: number; isInterrupted: boolean }
  /** `input` is what the client sends: an upload's id, or an address. */
  | { kind: "ready"; source: Source; input: string }
  /** It could not be sent, or the service refused it; sending again helps in the first case only. */
  | { kind: "failed"; source: Source; trouble: Trouble; canRepeat: boolean };

export type InputEvent =
  | { kind: "chosen"; source: Source }
  | { kind: "progressed"; sent: number }
  | { kind: "interrupted" }
  | { kind: "stored"; input: string }
  | { kind: "failed"; trouble: Trouble; canRepeat: boolean }
  | { kind: "repeated" }
  | { kind: "cleared"; trouble: Trouble | null };

export const EMPTY: InputState = { kind: "empty", trouble: null };

/** Return the state after an event; an event that does not fit the state changes nothing. */
export function reduceInput(state: InputState, event: InputEvent): InputState {
  switch (event.kind) {
    case "chosen":
      return start(event.source);
    case "cleared":
      return { kind: "empty", trouble: event.trouble };
    case "progressed":
      return state.kind === "sending" ? { ...state, sent: event.sent, isInterrupted: false } : state;
    case "interrupted":
      return state.kind === "sending" ? { ...state, isInterrupted: true } : state;
    case "stored":
      return state.kind === "sending" ? { kind: "ready", source: state.source, input: event.input } : state;
    case "failed":
      return state.kind === "empty"
        ? { kind: "empty", trouble: event.trouble }
        : { kind: "failed", source: state.source, trouble: event.trouble, canRepeat: event.canRepeat };
    case "repeated":
      return state.kind === "failed" ? start(state.source) : state;
  }
}

function start(source: Source): InputState {
  return source.kind === "address"
    ? { kind: "ready", source, input: source.url }
    : { kind: "sending", source, sent: 0, isInterrupted: false };
}
