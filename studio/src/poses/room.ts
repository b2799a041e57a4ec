/** The step's state with its effects: previews, and what a job is given of the edits. */

import { computed, effect, signal, type ReadonlySignal } from "@preact/signals";
import { describeError, describeJobError, noteRefusal, type Trouble } from "../api/index.ts";
import { changeParam, requestParams } from "../choose/index.ts";
import { texts } from "../texts.ts";
import type { Change, PersonEditor } from "./edit/personEditor.ts";
import { approvedPoses } from "./inputs.ts";
import type { RoomProps } from "./index.ts";
import { NO_PERSON, personAt, withPerson, type Place, type PoseDocument } from "./model/document.ts";
import { shownState } from "./model/history.ts";
import { addKeyframe } from "./model/keyframes.ts";
import type { Trim } from "./model/trim.ts";
import { PreviewEndedError, posesParams, readFit, readPreview, runPreview } from "./preview.ts";
import { isEdited, isFitCurrent, reducePoses, START, type Edits, type FoundPerson, type PosesEvent, type PosesState } from "./state.ts";

export interface Room {
  readonly state: ReadonlySignal<PosesState>;
  /** The poses that are shown, with a drag that goes on. */
  readonly edits: ReadonlySignal<Edits | null>;
  /** Whether the preview of the fit shows the poses and the settings as they are now. */
  readonly isFitCurrent: ReadonlySignal<boolean>;
  /** What has just happened, for those who do not see it. */
  readonly spoken: ReadonlySignal<string>;
  readonly say: (text: string) => void;
  /** Find the poses, or fit those that are there. */
  readonly preview: () => Promise<void>;
  /** Do so although the preset was not made for what the files show; the job may do so too. */
  readonly previewAnyway: () => Promise<void>;
  readonly stop: () => void;
  readonly follow: (person: FoundPerson) => Promise<void>;
  readonly edit: (label: string, change: (edits: Edits) => Edits, joins?: boolean) => void;
  readonly draft: (change: (edits: Edits) => Edits) => void;
  readonly drop: (label: string) => void;
  readonly cancel: () => void;
  /** Give a job the poses as they are. */
  readonly pass: () => void;
  readonly undo: () => void;
  readonly redo: () => void;
  readonly pictureEditor: () => PersonEditor;
  readonly driverEditor: (frame: number) => PersonEditor;
  readonly dispose: () => void;
}

/** Return the state of a step for these inputs. */
export function createRoom(props: RoomProps): Room {
  const { client, onApproved } = props;
  const state = signal(START);
  const spoken = signal("");
  const edits = computed(() => state.value.work && shownState(state.value.work.history));
  const settled = computed(() => state.value.work?.history.present ?? null);
  const params = computed(() => posesParams(requestParams(), settled.value !== null && isEdited(settled.value.driver)));
  const isCurrent = computed(() => state.value.work !== null && isFitCurrent(state.value.work, params.value));
  let running = new AbortController();

  const dispatch = (event: PosesEvent) => {
    state.value = reducePoses(state.value, event);
  };
  const say = (text: string) => {
    spoken.value = text;
  };

  const pass = () => {
    if (settled.value !== null) {
      onApproved(approvedPoses(settled.value));
    }
  };
  // What is seen is what counts: a job gets each edit.
  const stopPassing = effect(pass);

  const run = async (work: (signal: AbortSignal) => Promise<PosesEvent>) => {
    running.abort();
    const { signal: stopped } = (running = new AbortController());
    dispatch({ kind: "started" });
    try {
      const event = await work(stopped);
      stopped.throwIfAborted();
      dispatch(event);
    } catch (error) {
      if (!stopped.aborted) {
        noteRefusal(error);
        const trouble = troubleOf(error);
        const isElsewhere = !(error instanceof PreviewEndedError) && props.onRefused(trouble);
        dispatch(isElsewhere ? { kind: "stopped" } : { kind: "failed", trouble });
      }
    }
  };
  const report = (share: number) => dispatch({ kind: "progressed", share });

  const detect = (person: number | null, label: string) =>
    run(async (stopped) => {
      const picture = settled.value && approvedPoses(settled.value).imagePose;
      const asked = { ...(picture && { imagePose: picture }), ...(person !== null && { person }) };
      const settings = posesParams(requestParams(), false);
      const job = await runPreview(client, props, asked, settings, report, stopped);
      const found = await readPreview(client, job, stopped);
      return { kind: "detected", found: { ...found, person, fit: { ...readFit(job), params: settings } }, label };
    });

  const fit = (now: Edits) =>
    run(async (stopped) => {
      const settings = params.value;
      const job = await runPreview(client, props, approvedPoses(now), settings, report, stopped);
      return { kind: "fitted", fit: { ...readFit(job), edits: now, params: settings } };
    });

  const change = (apply: (edits: Edits) => Edits, use: (edits: Edits) => PosesEvent) => {
    if (settled.value !== null) {
      dispatch(use(apply(settled.value)));
    }
  };
  const edit: Room["edit"] = (label, apply, joins = false) =>
    change(apply, (changed) => ({ kind: "edited", label, edits: changed, joins }));
  const draft: Room["draft"] = (apply) => change(apply, (changed) => ({ kind: "dragged", edits: changed }));
  const drop: Room["drop"] = (label) => dispatch({ kind: "dropped", label });
  const cancel = () => dispatch({ kind: "dragCanceled" });

  const preview = () => (settled.value === null ? detect(null, texts.poses.preview) : fit(settled.value));

  const ways = { edits, settled, edit, draft, drop, cancel };
  return {
    state,
    edits,
    isFitCurrent: isCurrent,
    spoken,
    say,
    preview,
    previewAnyway() {
      changeParam("any_subject", true);
      return preview();
    },
    stop() {
      running.abort();
      dispatch({ kind: "stopped" });
    },
    follow: ({ number }) => detect(number, texts.poses.did.person(number + 1)),
    edit,
    draft,
    drop,
    cancel,
    pass,
    undo() {
      const label = state.value.work?.history.past.at(-1)?.label;
      dispatch({ kind: "undone" });
      say(label === undefined ? "" : texts.poses.undone(label));
    },
    redo() {
      const label = state.value.work?.history.future[0]?.label;
      dispatch({ kind: "redone" });
      say(label === undefined ? "" : texts.poses.redone(label));
    },
    pictureEditor: () => editorOf(ways, ({ picture }) => picture.edited, { frame: 0, person: 0 }, withPicture),
    driverEditor: (frame) =>
      editorOf(
        ways,
        ({ driver }) => driver.edited,
        { frame, person: 0 },
        (now, edited) => ({ ...withDriver(now, edited), keyframes: addKeyframe(now.keyframes, frame) }),
      ),
    dispose() {
      running.abort();
      stopPassing();
    },
  };
}

/** What an editor of a person needs of a room. */
interface EditWays extends Pick<Room, "edits" | "edit" | "draft" | "drop" | "cancel"> {
  readonly settled: ReadonlySignal<Edits | null>;
}

/** Return the editor of one person of a document, which is a part of the edits. */
function editorOf(
  { edits, settled, edit, draft, drop, cancel }: EditWays,
  read: (edits: Edits) => PoseDocument,
  place: Place,
  write: (edits: Edits, edited: PoseDocument) => Edits,
): PersonEditor {
  const person = (now: Edits | null) => (now === null ? NO_PERSON : personAt(read(now), place));
  const changed = (apply: Change) => (now: Edits) => {
    const [before, after] = [person(now), apply(person(now))];
    return after === before ? now : write(now, withPerson(read(now), place, after));
  };
  return {
    person: person(edits.value),
    settled: person(settled.value),
    draft: (apply) => draft(changed(apply)),
    drop,
    cancel,
    apply: (label, apply, joins) => edit(label, changed(apply), joins),
  };
}

/** Return the edits with another pose of the picture. */
export function withPicture(edits: Edits, edited: PoseDocument): Edits {
  return { ...edits, picture: { ...edits.picture, edited } };
}

/** Return the edits with other poses of the driving video. */
export function withDriver(edits: Edits, edited: PoseDocument): Edits {
  return { ...edits, driver: { ...edits.driver, edited } };
}

/** Return the edits with another trim. */
export function withTrim(edits: Edits, trim: Trim): Edits {
  return trim === edits.trim ? edits : { ...edits, trim };
}

function troubleOf(error: unknown): Trouble {
  return (error instanceof PreviewEndedError && describeJobError(error.job)) || describeError(error);
}
