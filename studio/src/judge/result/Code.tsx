import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Job } from "tcan-client";
import { session } from "../../api/index.ts";
import { LANGUAGES, snippet, type Language } from "../model/snippets.ts";
import { texts } from "../../texts.ts";

/** The job as code. */
export function Code({ job }: { job: Job }): JSX.Element {
  const language = useSignal<Language>("curl");
  const inputs = useSignal<"stored" | "files">("stored");
  const said = useSignal("");
  const text = useRef<HTMLPreElement>(null);
  const needsKey = session.value.kind === "open" && session.value.isSignedIn;
  const code = snippet(language.value, job, { url: location.origin, inputs: inputs.value, needsKey });

  const copy = async () => {
    try {
      await navigator.clipboard.writeText(code);
      said.value = texts.judge.copied;
    } catch {
      // Only pages of https or of this machine may write to the clipboard.
      getSelection()?.selectAllChildren(text.current ?? document.body);
      said.value = texts.judge.copyByHand;
    }
  };

  return (
    <details class="fold">
      <summary>{texts.judge.code}</summary>
      <div class="stack">
        <div class="row">
          <div class="choices" role="group" aria-label={texts.judge.language}>
            {LANGUAGES.map((name) => (
              <button
                key={name}
                type="button"
                class="button quiet"
                aria-pressed={language.value === name}
                onClick={() => (language.value = name)}
              >
                {texts.judge.languages[name]}
              </button>
            ))}
          </div>
          <label class="row choice">
            {texts.judge.inputs}
            <select
              class="input"
              value={inputs.value}
              onChange={(event) => (inputs.value = event.currentTarget.value === "files" ? "files" : "stored")}
            >
              <option value="stored">{texts.judge.inputsStored}</option>
              <option value="files">{texts.judge.inputsFiles}</option>
            </select>
          </label>
          <button type="button" class="button" onClick={() => void copy()}>
            {texts.judge.copy}
          </button>
          <span role="status" class="hint">
            {said.value}
          </span>
        </div>
        <pre ref={text} class="code" tabIndex={0} role="group" aria-label={texts.judge.code}>
          {code}
        </pre>
      </div>
    </details>
  );
}
