/** An input with its effects: sending the file, and its thumbnail. */

import { signal, type ReadonlySignal } from "@preact/signals";
import { describeError, noteRefusal, uploadFile, type Trouble } from "../api/index.ts";
import { EMPTY, reduceInput, type InputEvent, type InputState, type Source } from "./input.ts";

export interface InputSlot {
  state: ReadonlySignal<InputState>;
  /** What an `<img>` or `<video>` shows; null without a file or address. */
  thumbnail: ReadonlySignal<string | null>;
  choose: (source: Source) => void;
  /** Send the same file once more. */
  repeat: () => void;
  /** Show why the service refused the input. */
  refuse: (trouble: Trouble) => void;
  clear: (trouble?: Trouble) => void;
}

/** Refusals after which the same file or address may be taken. */
const PASSING = new Set<Trouble["code"]>(["upload_not_found", "url_failed"]);

/** Return an empty input. */
export function createSlot(): InputSlot {
  const state = signal<InputState>(EMPTY);
  const thumbnail = signal<string | null>(null);
  let sending = new AbortController();

  const dispatch = (event: InputEvent) => {
    state.value = reduceInput(state.value, event);
  };

  const show = (source: Source | null) => {
    if (thumbnail.value?.startsWith("blob:")) {
      URL.revokeObjectURL(thumbnail.value);
    }
    // An address is not shown: the page asks nothing of other origins.
    thumbnail.value = source?.kind === "file" ? URL.createObjectURL(source.file) : null;
  };

  const send = async (file: File) => {
    sending.abort();
    const current = (sending = new AbortController());
    const report = (event: InputEvent) => current.signal.aborted || dispatch(event);
    try {
      const input = await uploadFile(file, {
        onProgress: (sent) => report({ kind: "progressed", sent }),
        onRetry: () => report({ kind: "interrupted" }),
        signal: current.signal,
      });
      report({ kind: "stored", input });
    } catch (error) {
      noteRefusal(error);
      report({ kind: "failed", trouble: describeError(error), canRepeat: true });
    }
  };

  return {
    state,
    thumbnail,
    choose(source) {
      sending.abort();
      show(source);
      dispatch({ kind: "chosen", source });
      if (source.kind === "file") {
        void send(source.file);
      }
    },
    repeat() {
      dispatch({ kind: "repeated" });
      if (state.value.kind === "sending" && state.value.source.kind === "file") {
        void send(state.value.source.file);
      }
    },
    refuse: (trouble) => dispatch({ kind: "failed", trouble, canRepeat: PASSING.has(trouble.code) }),
    clear(trouble) {
      sending.abort();
      show(null);
      dispatch({ kind: "cleared", trouble: trouble ?? null });
    },
  };
}
