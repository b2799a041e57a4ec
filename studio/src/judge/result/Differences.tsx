import type { JSX } from "preact";
import type { Job } from "tcan-client";
import { differences } from "../model/differences.ts";
import { texts } from "../../texts.ts";

/** The parameters that are not the same in all jobs. */
export function Differences({ jobs, names }: { jobs: readonly Job[]; names: readonly string[] }): JSX.Element {
  const rows = differences(jobs);
  if (rows.length === 0) {
    return <p class="hint">{texts.judge.noDifferences}</p>;
  }
  return (
    <div class="scroll" tabIndex={0} role="group" aria-label={texts.judge.differences}>
      <table class="table">
        <caption>{texts.judge.differences}</caption>
        <thead>
          <tr>
            <th scope="col">{texts.judge.parameter}</th>
            {jobs.map((job, index) => (
              <th key={job.id} scope="col">
                <span class="name" title={names[index]}>
                  {names[index]}
                </span>
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ name, values }) => (
            <tr key={name}>
              <th scope="row">{parameterName(name)}</th>
              {values.map((value, index) => (
                <td key={jobs[index]?.id} class="num">
                  {value === undefined ? <span class="hint">{texts.judge.unset}</span> : short(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Cut long fractions, such as the seconds of a trim, to thousandths. */
function short(value: string): string {
  return value.replace(/(\.\d{3})\d+$/, "$1");
}

/** Return the label of a parameter, as in the settings. */
export function parameterName(name: string): string {
  return texts.choose.labels[name] ?? name;
}
