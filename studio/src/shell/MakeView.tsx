import type { JSX } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { BringRoom, Examples, type Source } from "../bring/index.ts";
import { ANIMATE, ChooseRoom, SubmitBar } from "../choose/index.ts";
import { useJobParams } from "../choose/settings.ts";
import { ResultView } from "../judge/index.ts";
import { createRoom, PosesStep, type Room } from "../poses/index.ts";
import { texts } from "../texts.ts";
import { WatchRoom } from "../watch/index.ts";
import { isNarrow } from "./width.ts";
import type { Workbench } from "./workbench.ts";

/**
 * The view in which a video is made: inputs and settings at the side, everything to see beside them.
 *
 * A narrow page has one column in the order of the work, for eyes and for Tab: the poses come before the settings.
 */
export function MakeView({ bench }: { bench: Workbench }): JSX.Element {
  const [picture, driver] = [bench.inputs.picture.state.value, bench.inputs.driver.state.value];
  const source = bench.source();
  const hasInputs = picture.kind !== "empty" || driver.kind !== "empty";
  const result = bench.result.value;
  const poses = <Poses bench={bench} room={usePosesRoom(bench)} />;
  return (
    <div class="workbench">
      <div class="side">
        <div class="side-rooms">
          <BringRoom bench={bench} />
          {isNarrow.value ? poses : null}
          <ChooseRoom bench={bench} />
        </div>
        <SubmitBar bench={bench} />
      </div>
      <div class={`stage ${hasInputs ? "" : "first"} ${bench.run.value.kind}`}>
        {!hasInputs && bench.run.value.kind === "none" ? <Examples bench={bench} /> : null}
        {isNarrow.value ? null : poses}
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

/** Return what holds the poses of the two inputs once both are there; others take its place with other inputs. */
function usePosesRoom({ inputs, client, poses, refuse }: Workbench): Room | null {
  const [picture, driver] = [inputs.picture.state.value, inputs.driver.state.value];
  const isReady = picture.kind === "ready" && driver.kind === "ready";
  const room = useMemo(
    () =>
      isReady
        ? createRoom({
            picture: contentOf(picture.source),
            driver: contentOf(driver.source),
            uploads: {
              ...(picture.source.kind === "file" && { picture: picture.input }),
              ...(driver.source.kind === "file" && { driver: driver.input }),
            },
            client,
            onApproved: (approved) => (poses.value = approved),
            onRefused: refuse,
          })
        : null,
    [isReady && `${picture.input} ${driver.input}`],
  );
  useEffect(() => room?.dispose, [room]);
  return room;
}

function Poses({ bench, room }: { bench: Workbench; room: Room | null }): JSX.Element | null {
  const picture = bench.inputs.picture.state.value;
  return room && picture.kind === "ready" ? (
    <PosesStep
      room={room}
      picture={contentOf(picture.source)}
      onGoOn={() => document.getElementById(ANIMATE)?.focus()}
    />
  ) : null;
}

function contentOf(source: Source): File | string {
  return source.kind === "file" ? source.file : source.url;
}
