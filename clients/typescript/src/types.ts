/** Short names of the types that are generated from openapi.json. */

import type { components } from "./api.js";

type Schemas = components["schemas"];

export type Job = Schemas["JobView"];
export type JobState = Schemas["JobState"];
export type JobParams = Schemas["JobParams"];
export type PosesParams = Schemas["PosesParams"];
export type JobOptions = Schemas["JobOptions"];
export type Analysis = Schemas["Analysis"];
export type Estimate = Schemas["Estimate"];
export type Review = Schemas["Review"];
export type Delivery = Schemas["DeliveryView"];
export type LogEntry = Schemas["LogEntry"];
export type Model = Schemas["ModelView"];
export type Problem = Schemas["Problem"];
export type Secrets = Schemas["Secrets"];
export type StoredUpload = Schemas["StoredUploadView"];
export type Usage = Schemas["Usage"];
export type WebhookMessage = Schemas["WebhookMessage"];

/** Outputs of a job that has succeeded. */
export type Output =
  | "result"
  | "poster"
  | "pose"
  | "manifest"
  | "keypoints"
  | "review"
  | "analysis"
  | "fit"
  | "image_keypoints"
  | "silent";

const ENDED: readonly JobState[] = ["succeeded", "failed", "canceled"];

/** Return whether the job has ended; an ended job never changes. */
export function hasEnded(job: Job): boolean {
  return ENDED.includes(job.status);
}
