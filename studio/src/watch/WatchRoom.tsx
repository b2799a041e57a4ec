import type { JSX } from "preact";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";
import { jobOf } from "./run.ts";

/** The region "Progress". */
export function WatchRoom({ bench }: { bench: Workbench }): JSX.Element | null {
  const run = bench.run.value;
  if (run.kind === "none") {
    return null;
  }
  return (
    <section class="panel stack" aria-label={texts.watch.region}>
      <p role="status">{jobOf(run)?.status ?? run.kind}</p>
      <button class="button" type="button" onClick={() => void bench.cancel()}>
        {texts.watch.cancel}
      </button>
    </section>
  );
}
