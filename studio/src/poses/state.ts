/** The state of the step "Poses": what was detected, what was edited, and the preview of the fit. Pure. */

import type { PosesParams } from "tcan-client";
import type { Trouble } from "../api/index.ts";
import type { PoseDocument } from "./model/document.ts";
import { cancelDraft, commit, draftState, dropDraft, redo, startHistory, undo, type History } from "./model/history.ts";
import type { Region } from "./model/geometry.ts";
import type { Keyframes } from "./model/keyframes.ts";
import { wholeTrim, type Trim } from "./model/trim.ts";

/** A person in the driving video, whom the motion can be taken from. */
export interface FoundPerson {
  /** The service's number of the person, counted from the left. */
  readonly number: number;
  readonly isFollowed: boolean;
  /** Share of the frames in which the person was found, 0..1. */
  readonly share: number;
  /** The frame in which the person is seen best. */
  readonly frame: number;
  /** The person in that frame, in pixels of the driving video. */
  readonly box: Region;
  /** CSS colour of its torso, or null. */
  readonly color: string | null;
}

/** The video whose pictures lie under the driver's skeletons. */
export interface Film {
  readonly address: string;
  /** The part of it that has the driver's frames. */
  readonly crop: Region;
}

/** What the service says about the driving video's poses. */
export interface Analysis {
  readonly fps: number;
  /** Confidence of each frame, 0..1. */
  readonly confidence: readonly number[];
  /** Why a frame was repaired, by its number. */
  readonly repaired: ReadonlyMap<number, string>;
  /** Numbers of the frames in which the fitted figure leaves the picture. */
  readonly outside: readonly number[];
  readonly people: readonly FoundPerson[];
}

/** Poses as they were detected and as they are now; the same object as long as nothing is edited. */
export interface Poses {
  readonly detected: PoseDocument;
  readonly edited: PoseDocument;
}

export interface DriverPoses extends Poses {
  readonly analysis: Analysis;
  /** The person who was asked for; null is the main one. */
  readonly person: number | null;
  /** Null where there is no video of them. */
  readonly film: Film | null;
}

/** All that a person can change here; undo and redo go from one to another. */
export interface Edits {
  readonly picture: Poses;
  readonly driver: DriverPoses;
  readonly keyframes: Keyframes;
  readonly trim: Trim;
}

/** The skeletons in the picture's proportions, moving over the picture. */
export interface Fit {
  /** The edits that it shows. */
  readonly edits: Edits;
  /** The settings that it was made with. */
  readonly params: PosesParams;
  /** Address of the video; null where the service made none. */
  readonly video: string | null;
  readonly warnings: readonly string[];
}

/** What was found, and what was made of it. */
export interface Work {
  readonly history: History<Edits>;
  readonly fit: Fit;
}

export type Run =
  | { readonly kind: "idle" }
  /** `share` is the progress, 0..1, or null where it is unknown. */
  | { readonly kind: "running"; readonly share: number | null }
  | { readonly kind: "failed"; readonly trouble: Trouble };

export interface PosesState {
  /** The preview that runs; the last one stays in view. */
  readonly run: Run;
  readonly work: Work | null;
}

/** What a preview found. */
export interface Found {
  readonly picture: PoseDocument;
  readonly driver: PoseDocument;
  readonly analysis: Analysis;
  readonly person: number | null;
  readonly film: Film | null;
  readonly fit: Omit<Fit, "edits">;
}

export type PosesEvent =
  | { kind: "started" }
  | { kind: "progressed"; share: number | null }
  | { kind: "failed"; trouble: Trouble }
  | { kind: "stopped" }
  | { kind: "detected"; found: Found; label: string }
  | { kind: "fitted"; fit: Fit }
  | { kind: "edited"; label: string; edits: Edits; joins: boolean }
  | { kind: "dragged"; edits: Edits }
  | { kind: "dropped"; label: string }
  | { kind: "dragCanceled" }
  | { kind: "undone" }
  | { kind: "redone" };

export const START: PosesState = { run: { kind: "idle" }, work: null };

/** Return the state after an event; an event that does not fit the state changes nothing. */
export function reducePoses(state: PosesState, event: PosesEvent): PosesState {
  switch (event.kind) {
    case "started":
      return { ...state, run: { kind: "running", share: null } };
    case "progressed":
      return state.run.kind === "running" ? { ...state, run: { kind: "running", share: event.share } } : state;
    case "failed":
      return { ...state, run: { kind: "failed", trouble: event.trouble } };
    case "stopped":
      return { ...state, run: { kind: "idle" } };
    case "detected":
      return { run: { kind: "idle" }, work: detected(state.work, event.found, event.label) };
    case "fitted":
      return { run: { kind: "idle" }, work: state.work && { ...state.work, fit: event.fit } };
    default:
      return state.work === null
        ? state
        : { ...state, work: { ...state.work, history: reduceHistory(state.work.history, event) } };
  }
}

type EditEvent = Extract<PosesEvent, { kind: "edited" | "dragged" | "dropped" | "dragCanceled" | "undone" | "redone" }>;

function reduceHistory(history: History<Edits>, event: EditEvent): History<Edits> {
  switch (event.kind) {
    case "edited":
      return commit(history, event.label, event.edits, event.joins);
    case "dragged":
      return draftState(history, event.edits);
    case "dropped":
      return dropDraft(history, event.label);
    case "dragCanceled":
      return cancelDraft(history);
    case "undone":
      return undo(history);
    case "redone":
      return redo(history);
  }
}

/** Another person's poses take the place of the driver's, as one step; the picture's pose stays. */
function detected(before: Work | null, found: Found, label: string): Work {
  const { picture, driver, analysis, person, film, fit } = found;
  const now = before?.history.present;
  const edits: Edits = {
    picture: now?.picture ?? { detected: picture, edited: picture },
    driver: { detected: driver, edited: driver, analysis, person, film },
    keyframes: [],
    trim: now?.trim ?? wholeTrim(driver.frames.length),
  };
  const history = before === null ? startHistory(edits) : commit(before.history, label, edits);
  return { history, fit: { ...fit, edits } };
}

/** Return whether poses were edited. */
export function isEdited({ detected, edited }: Poses): boolean {
  return detected !== edited;
}

/** Return whether the preview of the fit shows the poses as they are now, with these settings. */
export function isFitCurrent({ history, fit }: Work, params: PosesParams): boolean {
  return fit.edits === history.present && JSON.stringify(fit.params) === JSON.stringify(params);
}
