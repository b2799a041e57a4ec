export { Client, type Abortable, type JobFilter, type SubmitOptions, type WaitOptions } from "./client.js";
export { ClientError, JobEndedError, ProblemError, UnreachableError } from "./errors.js";
export type { JobEvent } from "./events.js";
export type { Input } from "./inputs.js";
export type { ClientOptions } from "./transport.js";
export { hasEnded } from "./types.js";
export type * from "./types.js";
export type { components, operations, paths, webhooks } from "./api.js";
