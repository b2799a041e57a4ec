import type { JSX } from "preact";
import { BringRoom, Examples } from "../bring/index.ts";
import { ANIMATE, ChooseRoom, SubmitBar } from "../choose/index.ts";
import { useJobParams } from "../choose/settings.ts";
import { ResultView } from "../judge/index.ts";
import { PosesStep } from "../poses/index.ts";
import { texts } from "../texts.ts";
import { WatchRoom } from "../watch/index.ts";
import type { Workbench } from "./workbench.ts";

/** The view in which a video is made: inputs and settings at the side, everything to see beside them. */
export function MakeView({ bench }: { bench: Workbench }): JSX.Element {
  const [picture, driver] = [bench.inputs.picture.state.value, bench.inputs.driver.state.value];
  const source = bench.source();
  const hasInputs = picture.kind !== "empty" || driver.kind !== "empty";
  const result = bench.result.value;
  return (
    <div class="workbench">
      <div class="side">
        <div class="side-rooms">
          <BringRoom bench={bench} />
          <ChooseRoom bench={bench} />
        </div>
        <SubmitBar bench={bench} />
      </div>
      <div class={`stage ${hasInputs ? "" : "first"} ${bench.run.value.kind}`}>
        {!hasInputs && bench.run.value.kind === "none" ? <Examples bench={bench} /> : null}
        {picture.kind === "ready" && driver.kind === "ready" ? (
          <PosesStep
            key={`${picture.input} ${driver.input}`}
            picture={picture.source.kind === "file" ? picture.source.file : picture.source.url}
            driver={driver.source.kind === "file" ? driver.source.file : driver.source.url}
            uploads={{
              ...(picture.source.kind === "file" && { picture: picture.input }),
              ...(driver.source.kind === "file" && { driver: driver.input }),
            }}
            client={bench.client}
            onApproved={(poses) => (bench.poses.value = poses)}
            onGoOn={() => document.getElementById(ANIMATE)?.focus()}
            onRefused={bench.refuse}
          />
        ) : null}
        {hasInputs && source.kind === "missing" && bench.run.value.kind === "none" ? (
          <p class="well stage-empty">{texts.choose.needs[source.inputs]}</p>
        ) : null}
        <WatchRoom bench={bench} />
        {result ? (
          <ResultView
            jobs={[result]}
            client={bench.client}
            onSubmitted={bench.show}
            onUseSettings={(job) => useJobParams(job.params)}
            onChanged={bench.update}
          />
        ) : null}
      </div>
    </div>
  );
}
