import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { InputName, Trouble } from "../api/index.ts";
import type { Workbench } from "../shell/workbench.ts";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import { jobOf } from "../watch/index.ts";
import { InputField } from "./InputField.tsx";
import { inputFor, sortFiles } from "./sort.ts";
import { readStatement } from "./statement.ts";
import "./bring.css";

/** The two inputs; files may be dropped or pasted anywhere on the page. */
export function BringRoom({ bench }: { bench: Workbench }): JSX.Element {
  const isDragging = useSignal(false);
  const said = useSignal<Said | null>(null);

  useEffect(() => {
    const listening = new AbortController();
    const take = async (list: FileList) => {
      const files = [...list];
      said.value = (await restore(bench, files)) ?? takeFiles(bench, files);
    };
    const end = () => (isDragging.value = false);
    const on = <K extends keyof DocumentEventMap>(kind: K, handler: (event: DocumentEventMap[K]) => void) =>
      document.addEventListener(kind, handler, { signal: listening.signal });
    on("dragover", (event) => {
      if (event.dataTransfer?.types.includes("Files")) {
        event.preventDefault();
        isDragging.value = true;
      }
    });
    on("dragleave", (event) => event.relatedTarget === null && end());
    on("drop", (event) => {
      end();
      // A field that took it has prevented the default already.
      if (!event.defaultPrevented && event.dataTransfer?.files.length) {
        event.preventDefault();
        void take(event.dataTransfer.files);
      }
    });
    on("paste", (event) => event.clipboardData?.files.length && void take(event.clipboardData.files));
    return () => listening.abort();
  }, [bench]);

  const isOfJob = bench.source().kind === "job";
  const names: InputName[] = ["picture", "driver"];
  return (
    <section class={`panel stack bring ${isDragging.value ? "dragging" : ""}`} aria-label={texts.bring.region}>
      {names.map((name) => (
        <InputField
          key={name}
          name={name}
          slot={bench.inputs[name]}
          driver={bench.inputs.driver.thumbnail.value}
          open={isOfJob ? jobOf(bench.run.value) : null}
        />
      ))}
      {said.value?.kind === "trouble" ? <TroubleNotice trouble={said.value.trouble} /> : null}
      {said.value?.kind === "restored" ? (
        <Restored
          said={said.value}
          onUse={(file) => (said.value = takeFiles(bench, [file]))}
          onDismiss={() => (said.value = null)}
        />
      ) : null}
    </section>
  );
}

/** What became of files that were dropped or pasted on the page. */
type Said =
  | { kind: "trouble"; trouble: Trouble }
  /** The settings of a result were restored; `hasJob` if the service still has its job. */
  | { kind: "restored"; file: File; hasJob: boolean };

interface RestoredProps {
  said: Said & { kind: "restored" };
  onUse: (file: File) => void;
  onDismiss: () => void;
}

function Restored({ said: { file, hasJob }, onUse, onDismiss }: RestoredProps): JSX.Element {
  return (
    <div class="notice good" role="status">
      <p>{texts.bring.restored(file.name)}</p>
      <p class="hint">{hasJob ? texts.bring.restoredJob : texts.bring.restoredClaim}</p>
      <div class="row">
        {inputFor(file, null) !== null ? (
          <button class="button" type="button" onClick={() => onUse(file)}>
            {texts.bring.useAsInput}
          </button>
        ) : null}
        <button class="button quiet" type="button" onClick={onDismiss}>
          {texts.shell.dismiss}
        </button>
      </div>
    </div>
  );
}

/** Restore the settings of a result of this service; null if the files are something else. */
async function restore(bench: Workbench, files: File[]): Promise<Said | null> {
  const [file] = files;
  const statement = file && files.length === 1 ? await readStatement(file) : null;
  return file && statement ? { kind: "restored", file, hasJob: await bench.restore(statement) } : null;
}

/** Give each file to its input. Returns what is wrong with one of them. */
function takeFiles(bench: Workbench, files: File[]): Said | null {
  if (files.length > 2) {
    return refusal(texts.bring.tooMany);
  }
  const sorted = sortFiles(files);
  if (!(sorted instanceof Map)) {
    return refusal(texts.bring.wrongKind(sorted.unknown));
  }
  for (const [name, file] of sorted) {
    bench.inputs[name].choose({ kind: "file", file });
  }
  return null;
}

function refusal(detail: string): Said {
  return { kind: "trouble", trouble: { code: "unknown", detail, next: "", fields: [] } };
}
