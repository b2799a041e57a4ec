import type { JSX } from "preact";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";
import { EstimateText } from "./EstimateText.tsx";

/** Id of the button "Animate". */
export const ANIMATE = "animate";

/** The button "Animate", with what is still missing. */
export function SubmitBar({ bench }: { bench: Workbench }): JSX.Element {
  const source = bench.source();
  const isReady = source.kind === "inputs" || source.kind === "job";
  const isBusy = bench.run.value.kind === "submitting";
  return (
    <div class="panel submit-bar">
      <p class="hint" id="submit-hint" role="status">
        {source.kind === "missing" ? texts.choose.needs[source.inputs] : null}
        {source.kind === "sending" ? texts.choose.stillSending : null}
        {source.kind === "job" ? texts.choose.again : null}
        {source.kind === "inputs" ? <EstimateText bench={bench} /> : null}
      </p>
      <button
        id={ANIMATE}
        class="button primary"
        type="button"
        disabled={!isReady || isBusy}
        aria-describedby="submit-hint"
        onClick={() => void bench.animate()}
      >
        {isBusy ? texts.choose.submitting : texts.choose.animate}
      </button>
    </div>
  );
}
