/** Names of downloaded files, from a pattern that the user may change. */

import type { Job } from "tcan-client";

export const DEFAULT_PATTERN = "{name}-{preset}-seed{seed}-{id}";
export const TOKENS = ["name", "preset", "seed", "id", "date", "output"] as const;

const MAX_LENGTH = 120;
/** Names that Windows keeps for devices, with any suffix. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)$/i;

/**
 * Return the name of a file without its folder.
 *
 * @param pattern Text with tokens such as `{seed}`; others stay as they are.
 * @param output What is downloaded, such as `pose`; appended unless the pattern has it or it is the result.
 * @param suffix Without the dot.
 */
export function fileName(pattern: string, job: Job, output: string, suffix: string): string {
  const values: Record<string, string> = {
    name: job.options.metadata?.["name"] ?? "tcan",
    preset: job.params.preset ?? "",
    seed: String(job.params.seed ?? ""),
    id: job.id.slice(0, 8),
    date: job.created_at.slice(0, 10),
    output,
  };
  const filled = pattern.replace(/\{(\w+)\}/g, (token, name: string) => values[name] ?? token);
  const named = output === "result" || pattern.includes("{output}") ? filled : `${filled}-${output}`;
  const safe = sanitize(named);
  return `${safe === "" || DEVICE.test(safe) ? `tcan-${values["id"]}` : safe}.${suffix}`;
}

/** Leave out what a file system or a shell would read as more than a name. */
function sanitize(name: string): string {
  const plain = name
    .replace(/[\p{C}<>:"/\\|?*]+/gu, "-")
    .replace(/\s+/g, " ")
    .replace(/([-_])[-_]+/g, "$1");
  return [...plain]
    .slice(0, MAX_LENGTH)
    .join("")
    .replace(/^[-_. ]+|[-_. ]+$/g, "");
}
