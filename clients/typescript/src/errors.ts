/**
 * Errors of the client.
 *
 * ClientError
 * ├── ProblemError       the service refused a request
 * ├── UnreachableError   the service does not answer, or something else answers
 * └── JobEndedError      the job failed or was canceled
 */

import type { Job, Problem } from "./types.js";

/** The root of the client's errors. */
export class ClientError extends Error {
  override name = "ClientError";
}

/** The service refused a request. */
export class ProblemError extends ClientError {
  override name = "ProblemError";
  /** Stable code for programs, such as `invalid_params`. */
  readonly code: string;
  /** One sentence for people. */
  readonly detail: string;
  /** The invalid fields of the request, if there are some. */
  readonly errors: readonly { field: string; detail: string }[];

  /**
   * @param status HTTP status.
   * @param problem The body, a problem of RFC 9457.
   * @param requestId Id of the request in the service's logs.
   * @param retryAfter Seconds after which a retry may succeed.
   */
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
    readonly requestId: string | undefined,
    readonly retryAfter: number | undefined,
  ) {
    const code = problem.code ?? "http";
    const detail = problem.detail ?? `HTTP ${status}`;
    super(`${detail} (${code})`);
    this.code = code;
    this.detail = detail;
    this.errors = problem.errors ?? [];
  }

  /** Read the problem in a response. */
  static async from(response: Response): Promise<ProblemError> {
    const body: unknown = await response.json().catch(() => null);
    const problem = typeof body === "object" && body !== null ? (body as Partial<Problem>) : {};
    const seconds = response.headers.get("Retry-After") ?? "";
    return new ProblemError(
      response.status,
      problem,
      response.headers.get("X-Request-ID") ?? undefined,
      /^\d{1,6}$/.test(seconds) ? Number(seconds) : undefined,
    );
  }
}

/** The service does not answer, or something else answers at its URL. */
export class UnreachableError extends ClientError {
  override name = "UnreachableError";
}

/** The job failed or was canceled; `job.error` says why. */
export class JobEndedError extends ClientError {
  override name = "JobEndedError";

  constructor(readonly job: Job) {
    const reason = job.error ? `: ${job.error.detail} (${job.error.code})` : "";
    super(`the job ${job.id} ${job.status === "canceled" ? "was canceled" : "failed"}${reason}`);
  }
}
