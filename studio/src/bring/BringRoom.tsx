import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { InputName, Trouble } from "../api/index.ts";
import type { Workbench } from "../shell/workbench.ts";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import { InputField } from "./InputField.tsx";
import { sortFiles } from "./sort.ts";
import "./bring.css";

/** The two inputs; files may be dropped or pasted anywhere on the page. */
export function BringRoom({ bench }: { bench: Workbench }): JSX.Element {
  const isDragging = useSignal(false);
  const trouble = useSignal<Trouble | null>(null);

  useEffect(() => {
    const listening = new AbortController();
    const take = (list: FileList) => {
      trouble.value = takeFiles(bench, [...list]);
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
        take(event.dataTransfer.files);
      }
    });
    on("paste", (event) => event.clipboardData?.files.length && take(event.clipboardData.files));
    return () => listening.abort();
  }, [bench]);

  const names: InputName[] = ["picture", "driver"];
  return (
    <section class={`panel stack bring ${isDragging.value ? "dragging" : ""}`} aria-label={texts.bring.region}>
      {names.map((name) => (
        <InputField key={name} name={name} slot={bench.inputs[name]} />
      ))}
      {trouble.value ? <TroubleNotice trouble={trouble.value} /> : null}
    </section>
  );
}

/** Give each file to its input. Returns what is wrong with one of them. */
function takeFiles(bench: Workbench, files: File[]): Trouble | null {
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

function refusal(detail: string): Trouble {
  return { code: "unknown", detail, next: "", fields: [] };
}
