/** Refusals and failures in words: what happened, and what to do next. */

import { ProblemError, UnreachableError, type Job, type Problem } from "tcan-client";
import { texts } from "../texts.ts";

export type ErrorCode = Problem["code"];
export type InputName = "picture" | "driver";

export interface Trouble {
  /** A code of the service, or `offline` or `unknown`. */
  code: ErrorCode | "offline" | "unknown";
  /** What is wrong, with the value. */
  detail: string;
  /** What to do about it. */
  next: string;
  /** The invalid fields, such as `params.seed`. */
  fields: readonly { field: string; detail: string }[];
}

/** Describe an error of the client, or any other. */
export function describeError(error: unknown): Trouble {
  if (error instanceof ProblemError) {
    return describe(error.code, error.detail, error.errors);
  }
  if (error instanceof UnreachableError) {
    return { code: "offline", detail: texts.problems.offline, next: texts.problems.offlineNext, fields: [] };
  }
  const detail = error instanceof Error ? error.message : String(error);
  return { code: "unknown", detail, next: texts.problems.unknownNext, fields: [] };
}

/** Describe why a job failed; null if it did not. */
export function describeJobError(job: Job): Trouble | null {
  return job.error ? describe(job.error.code, job.error.detail, []) : null;
}

/** Return the input that the refusal is about, if it is about one. */
export function inputOf(trouble: Trouble): InputName | null {
  return inputNamed(trouble.code, trouble.fields[0]?.field ?? trouble.detail);
}

function inputNamed(code: string, text: string): InputName | null {
  // `image: ...` or `driving: ...`, as the service's details start; the code alone where they do not.
  const named = /^(image_pose|image|driving|params|options)(_url|_upload)?\b/i.exec(text)?.[1];
  switch (named?.toLowerCase()) {
    case "image":
      return "picture";
    case "driving":
      return "driver";
    case undefined:
      break;
    default:
      return null;
  }
  if (/^(invalid_image|image_|not_a_puppet)/.test(code)) {
    return "picture";
  }
  return /^(invalid_video|video_|invalid_pose_file)/.test(code) ? "driver" : null;
}

function describe(code: string, detail: string, fields: Trouble["fields"]): Trouble {
  const known = code in texts.problems.next ? (code as ErrorCode) : "unknown";
  const next = known === "unknown" ? texts.problems.unknownNext : texts.problems.next[known];
  // The service's own words for it are about commands, which a page does not have.
  const said = known === "not_a_puppet" ? texts.problems.noPuppet[inputNamed(code, detail) ?? "picture"] : detail;
  return { code: known, detail: sentence(said), next, fields };
}

/** The service's details start with a field's name or a small letter. */
function sentence(text: string): string {
  const start = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(start) ? start : `${start}.`;
}
