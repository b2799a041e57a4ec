/** What the player does: a state machine without a browser. */

import { clamp, wrap } from "./rate.ts";

export type Transport =
  | { kind: "loading"; target: number }
  | { kind: "failed" }
  | { kind: "paused"; frame: number }
  | { kind: "seeking"; frame: number; target: number }
  | { kind: "playing"; frame: number };

type Working = Exclude<Transport, { kind: "failed" }>;

export type TransportAction =
  | { kind: "failed" }
  /** A frame is on the screen, and more will follow; its number was read from the video's media time. */
  | { kind: "shown"; frame: number }
  /** The frame that was asked for last is on the screen. */
  | { kind: "settled"; frame: number }
  | { kind: "ended" }
  | { kind: "play" }
  | { kind: "pause" }
  | { kind: "seek"; frame: number }
  | { kind: "step"; by: number };

export interface Film {
  readonly frames: number;
  readonly loop: boolean;
}

export const SPEEDS = [0.1, 0.25, 0.5, 1, 1.5, 2] as const;

/** Return the frame on the screen, or that will be there first. */
export function shownFrame(state: Transport): number {
  return state.kind === "loading" ? state.target : state.kind === "failed" ? 0 : state.frame;
}

/** Return the next state. A step counts from where the player is going, so that fast steps add up. */
export function reduce(state: Transport, action: TransportAction, film: Film): Transport {
  if (state.kind === "failed") {
    return state;
  }
  switch (action.kind) {
    case "failed":
      return { kind: "failed" };
    case "shown":
      return state.kind === "loading" ? state : { ...state, frame: action.frame };
    case "settled":
      return state.kind === "playing" ? state : { kind: "paused", frame: action.frame };
    case "ended":
      return state.kind === "playing" ? seekTo(state, film.frames - 1) : state;
    case "play":
      return state.kind === "loading" ? state : { kind: "playing", frame: playFrom(state, film) };
    case "pause":
      return state.kind === "playing" ? seekTo(state, state.frame) : state;
    case "seek":
      return seekTo(state, clamp(action.frame, film.frames));
    case "step": {
      const target = destination(state) + action.by;
      return seekTo(state, film.loop ? wrap(target, film.frames) : clamp(target, film.frames));
    }
  }
}

function seekTo(state: Working, target: number): Transport {
  return state.kind === "loading" ? { kind: "loading", target } : { kind: "seeking", frame: state.frame, target };
}

function destination(state: Working): number {
  return state.kind === "loading" || state.kind === "seeking" ? state.target : state.frame;
}

/** At the end, playing starts again at the beginning. */
function playFrom(state: Working, { frames }: Film): number {
  const frame = destination(state);
  return frame >= frames - 1 ? 0 : frame;
}

/** Return the next speed above (1) or below (-1), or the same at the end of the list. */
export function nextSpeed(speed: number, direction: 1 | -1): number {
  const faster = SPEEDS.find((candidate) => candidate > speed);
  const slower = SPEEDS.findLast((candidate) => candidate < speed);
  return (direction > 0 ? faster : slower) ?? speed;
}
