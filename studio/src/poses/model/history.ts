/** Undo and redo: states that never change, with what led from one to the next. */

export interface Step<T> {
  readonly label: string;
  /** The state before the step in `past`, after it in `future`. */
  readonly state: T;
}

export interface History<T> {
  readonly present: T;
  /** The state while a drag goes on, which is no step yet. */
  readonly draft: T | null;
  readonly past: readonly Step<T>[];
  readonly future: readonly Step<T>[];
}

/** Return a history without steps. */
export function startHistory<T>(present: T): History<T> {
  return { present, draft: null, past: [], future: [] };
}

/** Return the state that is shown. */
export function shownState<T>({ draft, present }: History<T>): T {
  return draft ?? present;
}

/**
 * Return the history after an edit.
 *
 * @param label What the edit did, for the user.
 * @param state The state after it; the same object as before is no step.
 * @param joins Whether the edit continues the last one, as the repeats of a held key do.
 */
export function commit<T>(history: History<T>, label: string, state: T, joins = false): History<T> {
  if (state === history.present) {
    return { ...history, draft: null };
  }
  const isOneStep = joins && history.past.length > 0 && history.future.length === 0;
  const past = isOneStep ? history.past : [...history.past, { label, state: history.present }];
  return { present: state, draft: null, past, future: [] };
}

/** Return the history while a drag goes on. */
export function draftState<T>(history: History<T>, draft: T): History<T> {
  return { ...history, draft };
}

/** Return the history after a drag: one step. */
export function dropDraft<T>(history: History<T>, label: string): History<T> {
  return commit(history, label, shownState(history));
}

/** Return the history as it was before a drag. */
export function cancelDraft<T>(history: History<T>): History<T> {
  return { ...history, draft: null };
}

/** Return the history without its last step, which can be done again. */
export function undo<T>(history: History<T>): History<T> {
  const step = history.past.at(-1);
  if (step === undefined) {
    return cancelDraft(history);
  }
  const undone = { label: step.label, state: history.present };
  return { present: step.state, draft: null, past: history.past.slice(0, -1), future: [undone, ...history.future] };
}

/** Return the history with the step that was undone last. */
export function redo<T>(history: History<T>): History<T> {
  const [step, ...future] = history.future;
  if (step === undefined) {
    return cancelDraft(history);
  }
  const done = { label: step.label, state: history.present };
  return { present: step.state, draft: null, past: [...history.past, done], future };
}
