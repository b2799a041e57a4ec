import type { JSX } from "preact";
import { percent } from "../format.ts";
import { navigate } from "../shell/route.ts";
import { texts } from "../texts.ts";
import type { Run } from "./run.ts";

/** The running job in the page's header, in every view. */
export function JobChip({ run }: { run: Run }): JSX.Element | null {
  if (run.kind !== "following") {
    return null;
  }
  const { id, links, progress } = run.job;
  const share = percent(progress.fraction);
  return (
    <button class="button quiet job-chip num" type="button" onClick={() => navigate({ view: "make", job: id })}>
      {links.preview ? <img src={links.preview} alt="" width="24" height="24" /> : null}
      <span class="visually-hidden">{texts.shell.currentJob(share)}</span>
      <span aria-hidden="true">{texts.watch.percent(share)}</span>
    </button>
  );
}
