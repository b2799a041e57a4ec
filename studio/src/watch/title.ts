/** The tab's title: percent, or how the job ended. */

import { effect, type ReadonlySignal } from "@preact/signals";
import { percent } from "../format.ts";
import { texts } from "../texts.ts";
import type { Run } from "./run.ts";

/** Return the title for a job's state. */
export function titleOf(run: Run, name: string): string {
  switch (run.kind) {
    case "submitting":
    case "opening":
      return texts.watch.title(0, name);
    case "following":
      return texts.watch.title(percent(run.job.progress.fraction), name);
    case "ended":
      return texts.watch.titleEnded(texts.watch.stages[run.job.status], name);
    default:
      return name;
  }
}

/** Keep the tab's title in step with the job. */
export function followTitle(run: ReadonlySignal<Run>): void {
  effect(() => {
    document.title = titleOf(run.value, texts.shell.title);
  });
}
