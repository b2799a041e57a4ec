import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import type { Job } from "tcan-client";
import { describeError, noteRefusal, type Trouble } from "../api/index.ts";
import { useJobParams } from "../choose/settings.ts";
import { ResultView } from "../judge/index.ts";
import { texts } from "../texts.ts";
import { TroubleNotice } from "./TroubleNotice.tsx";
import type { Workbench } from "./workbench.ts";

/** The view of two to four results of the history, in step. */
export function CompareView({ bench, ids }: { bench: Workbench; ids: string[] }): JSX.Element {
  const jobs = useSignal<Job[] | null>(null);
  const trouble = useSignal<Trouble | null>(null);
  useEffect(() => {
    const reading = new AbortController();
    const read = async () => {
      try {
        jobs.value = await Promise.all(ids.map((id) => bench.client.job(id, { signal: reading.signal })));
      } catch (error) {
        if (!reading.signal.aborted && !noteRefusal(error)) {
          trouble.value = describeError(error);
        }
      }
    };
    void read();
    return () => reading.abort();
  }, [ids.join(",")]);

  if (trouble.value) {
    return <TroubleNotice trouble={trouble.value} />;
  }
  return jobs.value ? (
    <ResultView
      jobs={jobs.value}
      client={bench.client}
      onSubmitted={bench.show}
      onUseSettings={(job) => useJobParams(job.params)}
      onChanged={(job) => (jobs.value = jobs.peek()?.map((each) => (each.id === job.id ? job : each)) ?? null)}
    />
  ) : (
    <p role="status">{texts.shell.connecting}</p>
  );
}
