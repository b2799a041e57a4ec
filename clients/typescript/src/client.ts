/** The client. */

import { ClientError, JobEndedError, UnreachableError } from "./errors.js";
import { readEvents, type JobEvent } from "./events.js";
import { addInput, toBlob, type Input } from "./inputs.js";
import { builtin } from "./node.js";
import { Transport, sleep, type ClientOptions, type HttpRequest } from "./transport.js";
import {
  hasEnded,
  type Delivery,
  type Estimate,
  type Job,
  type JobOptions,
  type JobParams,
  type JobState,
  type LogEntry,
  type Model,
  type Output,
  type PosesParams,
  type Secrets,
  type StoredUpload,
  type Usage,
} from "./types.js";
import type { components } from "./api.js";

type Schemas = components["schemas"];

// The service sends a comment every 15 s.
const SILENCE_MS = 45_000;
const RECONNECTS = 10;
const POLL_S = 0.5;
const MAX_PAGE_SIZE = 200;

export interface Abortable {
  /** Stops the call, whose promise rejects with the signal's reason; the job continues. */
  signal?: AbortSignal | undefined;
}

export interface SubmitOptions extends Abortable {
  params?: JobParams;
  options?: JobOptions;
  /** A pose file of the image; the pose is detected when absent. */
  imagePose?: Input;
  /** Requests with the same key create one job; random when absent. */
  idempotencyKey?: string;
}

export interface JobFilter {
  /** The most jobs; 50 when absent. */
  limit?: number;
  states?: JobState[];
  /** All of it must match. */
  metadata?: Record<string, string>;
}

export interface WaitOptions extends Abortable {
  /** Called with the job at each change. */
  onUpdate?: (job: Job) => void;
}

/**
 * A client of one service.
 *
 * Every method throws ProblemError when the service refuses the request and UnreachableError when
 * it does not answer. Requests are repeated while the service is busy or silent.
 */
export class Client {
  private readonly transport: Transport;

  constructor(options: ClientOptions = {}) {
    this.transport = new Transport(options);
  }

  /**
   * Submit an animation, wait for its end, and on Node write its result to the file `out`, whose
   * folder is checked first.
   *
   * @throws JobEndedError The job failed or was canceled.
   */
  async animate(
    image: Input,
    driving: Input,
    options: SubmitOptions & WaitOptions & { out?: string } = {},
  ): Promise<Job> {
    if (options.out !== undefined) {
      const { access, constants } = builtin("node:fs/promises");
      await access(builtin("node:path").dirname(options.out), constants.W_OK);
    }
    const { id } = await this.submit(image, driving, options);
    const job = await this.wait(id, options);
    if (job.status !== "succeeded") {
      throw new JobEndedError(job);
    }
    if (options.out !== undefined) {
      await this.download(id, options.out, "result", options);
    }
    return job;
  }

  /** Submit an animation and return its job. */
  submit(image: Input, driving: Input, options: SubmitOptions = {}): Promise<Job> {
    return this.send("/animate", { image, driving, image_pose: options.imagePose }, options);
  }

  /**
   * Submit a pose preview of a driving file, of `options.image`, or of both.
   *
   * Outputs of a driving file are `keypoints`, `pose`, `analysis` and `review`, that of an image is
   * `image_keypoints`; with both there is also `fit`. Each has a `poster`.
   */
  poses(
    driving: Input | undefined,
    options: Omit<SubmitOptions, "params"> & { params?: PosesParams; image?: Input } = {},
  ): Promise<Job> {
    const { image, imagePose } = options;
    return this.send("/poses", { driving, image, image_pose: imagePose }, options);
  }

  /**
   * Submit a job again, with the same inputs.
   *
   * @param options.params Changes; `{ seed: null }` gives a new seed.
   */
  async retry(jobId: string, options: Omit<SubmitOptions, "imagePose"> = {}): Promise<Job> {
    const { params, options: changed, signal } = options;
    const request = json({ params, options: changed });
    const headers = { ...request.headers, ...idempotency(options) };
    const path = `${jobPath(jobId)}/retry`;
    return this.transport.json({ ...request, path, headers, signal });
  }

  /** Upload a file to the object store and return its id, valid for a day and many jobs. */
  async upload(file: Input, { signal }: Abortable = {}): Promise<string> {
    const blob = await toBlob(file, "upload");
    const request = { ...json({ max_bytes: Math.max(1, blob.size) }), path: "/uploads", signal };
    const form = await this.transport.json<Schemas["UploadView"]>(request);
    const body = new FormData();
    for (const [name, value] of Object.entries(form.fields)) {
      body.append(name, value);
    }
    body.append("file", blob, "file");
    await this.transport.run({ method: "POST", path: form.url, body, signal }, drain);
    return form.id;
  }

  /** List the uploads of this caller that still exist, newest first. */
  uploads({ signal }: Abortable = {}): Promise<StoredUpload[]> {
    const read = (page: Schemas["UploadList"]) => page.uploads;
    return this.pages("/uploads", new URLSearchParams(), read, Infinity, signal);
  }

  /** Delete an upload, which no new job can use then. */
  async deleteUpload(uploadId: string, { signal }: Abortable = {}): Promise<void> {
    const path = pathOf("uploads", uploadId);
    await this.transport.run({ method: "DELETE", path, signal }, drain);
  }

  /** Read what this caller has used of its limits and what it has left. */
  usage({ signal }: Abortable = {}): Promise<Usage> {
    return this.transport.json({ path: "/usage", signal });
  }

  /** Read a job. */
  async job(jobId: string, { signal }: Abortable = {}): Promise<Job> {
    return this.transport.json({ path: jobPath(jobId), signal });
  }

  /** List the newest jobs, at most `limit`, in these states and with this metadata. */
  jobs(options: JobFilter & Abortable = {}): Promise<Job[]> {
    const { limit = 50, states = [], metadata = {}, signal } = options;
    const query = new URLSearchParams(states.map((state) => ["status", state]));
    for (const [name, value] of Object.entries(metadata)) {
      query.append("metadata", `${name}=${value}`);
    }
    return this.pages("/jobs", query, (page: Schemas["JobList"]) => page.jobs, limit, signal);
  }

  /** Read what happened to a job so far, oldest first. */
  async logs(jobId: string, { signal }: Abortable = {}): Promise<LogEntry[]> {
    const request = { path: `${jobPath(jobId)}/logs`, signal };
    return (await this.transport.json<Schemas["JobLog"]>(request)).entries;
  }

  /** Change texts of a job, such as its name; null removes one, and others stay. */
  async change(
    jobId: string,
    metadata: Record<string, string | null>,
    { signal }: Abortable = {},
  ): Promise<Job> {
    const request = { ...json({ metadata }), method: "PATCH", path: jobPath(jobId), signal };
    return this.transport.json(request);
  }

  /** Estimate the work on a job before it is submitted. */
  async estimate(
    frames: number,
    { steps, signal }: Abortable & { steps?: number } = {},
  ): Promise<Estimate> {
    const chosen = steps === undefined ? "" : `&num_inference_steps=${steps}`;
    return this.transport.json({ path: `/estimates?frames=${frames}${chosen}`, signal });
  }

  /** Ask a job to stop. */
  async cancel(jobId: string, { signal }: Abortable = {}): Promise<Job> {
    return this.transport.json({ method: "POST", path: `${jobPath(jobId)}/cancel`, signal });
  }

  /** Erase an ended job and its results. */
  async erase(jobId: string, { signal }: Abortable = {}): Promise<void> {
    await this.transport.run({ method: "DELETE", path: jobPath(jobId), signal }, drain);
  }

  /**
   * Yield every change of a job until it ends, each exactly once, and moves of its place in queue.
   *
   * A broken connection is opened again after the last event, with growing pauses.
   *
   * @param options.lastEventId Start after this event; at the first when absent.
   */
  async *events(
    jobId: string,
    options: { lastEventId?: number } & Abortable = {},
  ): AsyncGenerator<JobEvent, void, undefined> {
    let seen = options.lastEventId ?? 0;
    let failures = 0;
    for (;;) {
      try {
        const headers = { Accept: "text/event-stream", "Last-Event-ID": String(seen) };
        const request = { path: `${jobPath(jobId)}/events`, headers, signal: options.signal };
        const response = await this.transport.open(request);
        if (response.status === 204) {
          return;
        }
        for await (const event of readEvents(response, SILENCE_MS)) {
          failures = 0;
          if (event !== null && (event.id > seen || event.kind === "queue")) {
            seen = event.id;
            yield event;
            if (hasEnded(event.job)) {
              return;
            }
          }
        }
        throw new TypeError("the event stream ended before the job");
      } catch (error) {
        failures += 1;
        await this.transport.pause(error, failures, RECONNECTS, options.signal);
      }
    }
  }

  /**
   * Wait for a job's end and return it; give a signal such as `AbortSignal.timeout(600_000)`.
   *
   * The job is followed by its events, or polled if a proxy blocks event streams.
   */
  async wait(jobId: string, { onUpdate, signal }: WaitOptions = {}): Promise<Job> {
    let job = await this.job(jobId, { signal });
    onUpdate?.(job);
    if (hasEnded(job)) {
      return job;
    }
    try {
      for await (const event of this.events(jobId, { lastEventId: job.version, signal })) {
        job = event.job;
        onUpdate?.(job);
      }
    } catch (error) {
      if (!(error instanceof UnreachableError)) {
        throw error;
      }
    }
    while (!hasEnded(job)) {
      await sleep(POLL_S, signal);
      job = await this.job(jobId, { signal });
      onUpdate?.(job);
    }
    return job;
  }

  /** Return one of the job's outputs. */
  async output(jobId: string, output: Output = "result", { signal }: Abortable = {}): Promise<Blob> {
    const path = `${jobPath(jobId)}/${output}`;
    return this.transport.run({ path, signal }, (response) => response.blob());
  }

  /** Write one of the job's outputs to a file, which appears once it is complete. Node only. */
  async download(
    jobId: string,
    file: string,
    output: Output = "result",
    { signal }: Abortable = {},
  ): Promise<void> {
    const { rename, rm, writeFile } = builtin("node:fs/promises");
    const partial = `${file}.part`;
    try {
      await this.transport.run({ path: `${jobPath(jobId)}/${output}`, signal }, (response) =>
        writeFile(partial, response.body ?? "", { signal }),
      );
      await rename(partial, file);
    } finally {
      await rm(partial, { force: true });
    }
  }

  /** List the models that live workers have loaded. */
  async models({ signal }: Abortable = {}): Promise<Model[]> {
    const list = await this.transport.json<Schemas["ModelList"]>({ path: "/models", signal });
    return list.models;
  }

  /** List the messages to the job's webhook, with every attempt. */
  async deliveries(jobId: string, { signal }: Abortable = {}): Promise<Delivery[]> {
    const request = { path: `${jobPath(jobId)}/deliveries`, signal };
    return (await this.transport.json<Schemas["DeliveryList"]>(request)).deliveries;
  }

  /** Send a message to the job's webhook again. */
  async redeliver(jobId: string, n: number, { signal }: Abortable = {}): Promise<Delivery> {
    const path = `${jobPath(jobId)}/deliveries/${n}/redeliver`;
    return this.transport.json({ method: "POST", path, signal });
  }

  /** Read the secrets that verify webhooks with a Standard Webhooks library. */
  webhookSecrets({ signal }: Abortable = {}): Promise<Secrets> {
    return this.transport.json({ path: "/webhooks/secret", signal });
  }

  private async send(
    path: string,
    inputs: Record<string, Input | undefined>,
    options: Omit<SubmitOptions, "params"> & { params?: JobParams | PosesParams },
  ): Promise<Job> {
    const form = new FormData();
    for (const [name, input] of Object.entries(inputs)) {
      if (input !== undefined) {
        await addInput(form, name, input);
      }
    }
    for (const name of ["params", "options"] as const) {
      if (options[name] !== undefined) {
        form.append(name, JSON.stringify(options[name]));
      }
    }
    const request = { method: "POST", path, headers: idempotency(options), body: form };
    return this.transport.json({ ...request, signal: options.signal });
  }

  /** Read the pages of a list until it ends or has `limit` entries. */
  private async pages<P extends { next?: string | null }, T>(
    path: string,
    query: URLSearchParams,
    read: (page: P) => T[],
    limit: number,
    signal: AbortSignal | undefined,
  ): Promise<T[]> {
    const found: T[] = [];
    query.set("limit", String(Math.min(limit, MAX_PAGE_SIZE)));
    for (let search: string | undefined = `?${query}`; search && found.length < limit; ) {
      const page: P = await this.transport.json({ path: path + search, signal });
      found.push(...read(page));
      search = page.next?.slice(page.next.indexOf("?"));
    }
    return found.slice(0, limit);
  }
}

function jobPath(jobId: string): string {
  return pathOf("jobs", jobId);
}

/** Return the path of a job or an upload. Throws ClientError for what would lead to another route. */
function pathOf(kind: "jobs" | "uploads", id: string): string {
  if (!/^[\w-]+$/.test(id)) {
    throw new ClientError(`"${id}" cannot be an id; give one that the service returned or lists in /${kind}`);
  }
  return `/${kind}/${id}`;
}

function idempotency({ idempotencyKey }: SubmitOptions): Record<string, string> {
  const key = idempotencyKey ?? crypto.randomUUID();
  if (!/^[!-~]{1,255}$/.test(key)) {
    throw new ClientError(`the idempotency key must be 1 to 255 visible ASCII characters, got "${key}"`);
  }
  return { "Idempotency-Key": key };
}

function json(body: unknown): Omit<HttpRequest, "path"> {
  const headers = { "Content-Type": "application/json" };
  return { method: "POST", headers, body: JSON.stringify(body) };
}

async function drain(response: Response): Promise<void> {
  await response.arrayBuffer();
}
