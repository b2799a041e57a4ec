/** An input with its effects: sending the file, and its thumbnail. */

import { signal, type ReadonlySignal } from "@preact/signals";
import { createUpload, describeError, noteRefusal, type Trouble, type Upload } from "../api/index.ts";
import { texts } from "../texts.ts";
import { EMPTY, reduceInput, type InputEvent, type InputState, type Source } from "./input.ts";

export interface InputSlot {
  state: ReadonlySignal<InputState>;
  /** What an `<img>` or `<video>` shows; null without a file or address. */
  thumbnail: ReadonlySignal<string | null>;
  choose: (source: Source) => void;
  /** Send what is missing of the same file, or take the same address once more. */
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
  let upload: Upload | null = null;

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

  const send = async (to: Upload) => {
    sending.abort();
    const current = (sending = new AbortController());
    const report = (event: InputEvent) => current.signal.aborted || dispatch(event);
    try {
      const input = await to.send({
        onProgress: (sent) => report({ kind: "progressed", sent }),
        onRetry: () => report({ kind: "interrupted" }),
        signal: current.signal,
      });
      report({ kind: "stored", input });
    } catch (error) {
      noteRefusal(error);
      report({ kind: "failed", trouble: troubleOf(error), canRepeat: true });
    }
  };

  const start = () => {
    if (state.value.kind !== "sending" || state.value.source.kind !== "file") {
      return;
    }
    if (state.value.source.file.size === 0) {
      dispatch({ kind: "failed", trouble: EMPTY_FILE, canRepeat: false });
    } else {
      upload ??= createUpload(state.value.source.file);
      void send(upload);
    }
  };

  return {
    state,
    thumbnail,
    choose(source) {
      sending.abort();
      show(source);
      dispatch({ kind: "chosen", source });
      upload = null;
      start();
    },
    repeat() {
      if (state.value.kind === "failed" && state.value.trouble.code === "upload_not_found") {
        // It was sent, and has expired since.
        upload = null;
      }
      dispatch({ kind: "repeated" });
      start();
    },
    refuse: (trouble) => dispatch({ kind: "failed", trouble, canRepeat: PASSING.has(trouble.code) }),
    clear(trouble) {
      sending.abort();
      show(null);
      dispatch({ kind: "cleared", trouble: trouble ?? null });
    },
  };
}

const EMPTY_FILE: Trouble = { code: "unknown", detail: texts.bring.emptyFile, next: texts.bring.emptyFileNext, fields: [] };

/** Describe why a file was not sent: the service speaks of its requests, the page of files. */
function troubleOf(error: unknown): Trouble {
  const trouble = describeError(error);
  switch (trouble.code) {
    case "offline":
      return { ...trouble, next: texts.bring.offlineNext };
    case "invalid_request":
      return {
        ...trouble,
        detail: trouble.detail.replace(/^max_bytes: /i, texts.bring.sizeOf),
        next: texts.problems.next.body_too_large,
      };
    default:
      return trouble;
  }
}
