/** What two or more jobs have in common and in what they differ. */

import type { Job } from "tcan-client";

export interface Difference {
  /** Name of the parameter, such as `seed` or `trim.start_s`. */
  readonly name: string;
  /** Its value in each job; undefined where it is not set. */
  readonly values: readonly (string | undefined)[];
}

/** Return the parameters of a job that are set, by name; those in objects as `trim.start_s`. */
export function parameters(job: Job): Map<string, string> {
  return new Map(flatten("", job.params));
}

/** Return the parameters whose values are not the same in all jobs, in the order of their names. */
export function differences(jobs: readonly Job[]): Difference[] {
  const found = jobs.map(parameters);
  const names = [...new Set(found.flatMap((each) => [...each.keys()]))].sort();
  return names
    .map((name) => ({ name, values: found.map((each) => each.get(name)) }))
    .filter(({ values }) => new Set(values).size > 1);
}

function flatten(prefix: string, value: object): [string, string][] {
  return Object.entries(value).flatMap(([name, entry]: [string, unknown]): [string, string][] => {
    if (entry === null || entry === undefined) {
      return [];
    }
    return typeof entry === "object" ? flatten(`${prefix}${name}.`, entry) : [[prefix + name, String(entry)]];
  });
}
