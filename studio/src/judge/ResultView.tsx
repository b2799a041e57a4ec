import type { JSX } from "preact";
import type { ResultViewProps } from "./index.ts";

/** The region "Result". */
export function ResultView({ jobs }: ResultViewProps): JSX.Element {
  return (
    <section class="panel stack" aria-label="Result">
      {jobs.map((job) => (
        <video key={job.id} aria-label="Result" src={job.links.result ?? ""} controls muted playsInline loop />
      ))}
    </section>
  );
}
