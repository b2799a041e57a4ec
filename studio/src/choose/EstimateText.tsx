import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Estimate } from "tcan-client";
import { measureVideo, type Length } from "../bring/index.ts";
import { duration, percent } from "../format.ts";
import type { ApprovedPoses } from "../poses/index.ts";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";
import { catalog } from "./catalog.ts";
import { settings } from "./settings.ts";

/** How long the job will take, from past jobs: by the driver's frames and the steps. */
export function EstimateText({ bench }: { bench: Workbench }): JSX.Element | null {
  const length = useSignal<Length | null>(null);
  const estimate = useSignal<Estimate | null>(null);
  const url = bench.inputs.driver.thumbnail.value;
  const { trim } = bench.poses.value;
  const steps = settings.params.value.num_inference_steps;
  const ended = bench.result.value?.id;
  const frames = length.value && framesOf(length.value, trim);

  useEffect(() => {
    length.value = null;
    let isCurrent = true;
    if (url !== null) {
      void measureVideo(url).then((measured) => isCurrent && (length.value = measured));
    }
    return () => (isCurrent = false);
  }, [url]);

  useEffect(() => {
    const asking = new AbortController();
    const ask = async (count: number) => {
      try {
        estimate.value = await bench.client.estimate(count, {
          ...(typeof steps === "number" && { steps }),
          signal: asking.signal,
        });
      } catch {
        // The page works without an estimate.
        estimate.value = null;
      }
    };
    if (frames !== null) {
      void ask(frames);
    } else {
      estimate.value = null;
    }
    return () => asking.abort();
  }, [frames, steps, ended]);

  const { seconds, relative_error: error } = estimate.value ?? {};
  if (seconds == null) {
    return null;
  }
  return (
    <span class="num">
      {texts.choose.estimate(duration(seconds))}
      {error == null || percent(error) === 0 ? null : ` ${texts.choose.estimateError(percent(error))}`}
      {catalog.value.models.length > 1 ? `, ${texts.choose.estimateBasis}` : null}
    </span>
  );
}

function framesOf({ frames, seconds }: Length, trim: ApprovedPoses["trim"]): number {
  const part = (trim?.end_s ?? seconds) - (trim?.start_s ?? 0);
  return Math.max(1, Math.round((frames * part) / seconds));
}
