import type { JSX } from "preact";
import type { Job } from "tcan-client";
import { texts } from "../texts.ts";
import { STAGES, stageIndex } from "./stages.ts";

/** The stages of a job, with the current one marked. */
export function StageList({ job }: { job: Job }): JSX.Element {
  const current = stageIndex(job);
  return (
    <ol class="stages">
      {STAGES.map((stage, index) => (
        <li key={stage} class={index < current ? "done" : ""} aria-current={index === current ? "step" : undefined}>
          {texts.watch.stages[stage]}
        </li>
      ))}
    </ol>
  );
}
