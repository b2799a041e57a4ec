import type { JSX } from "preact";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";

/** The settings, and the button that submits. */
export function ChooseRoom({ bench }: { bench: Workbench }): JSX.Element {
  const source = bench.source();
  const isReady = source.kind === "inputs" || source.kind === "job";
  return (
    <section class="panel stack" aria-label={texts.choose.region}>
      <button class="button primary" type="button" disabled={!isReady} onClick={() => void bench.animate()}>
        {texts.choose.animate}
      </button>
    </section>
  );
}
