/** Requests with retries. */

import { ClientError, ProblemError, UnreachableError } from "./errors.js";
import { environment } from "./node.js";

const DEFAULT_URL = "http://127.0.0.1:8000";
const FIRST_PAUSE_S = 0.5;
const MAX_PAUSE_S = 30;
const RETRIED_STATUSES = [429, 503];

export interface ClientOptions {
  /** URL of the service; `TCAN_URL` on Node, or http://127.0.0.1:8000, when absent. */
  url?: string | undefined;
  /** Key of `tcan keys create`; `TCAN_API_KEY` on Node when absent. */
  apiKey?: string | undefined;
  /** Attempts of a request while the service is busy or silent; 6 when absent. */
  tries?: number | undefined;
}

export interface HttpRequest {
  method?: string;
  /** Path on the service, or an absolute URL, which gets no API key. */
  path: string;
  headers?: Record<string, string>;
  /** The same in each attempt. */
  body?: string | FormData;
  signal?: AbortSignal | undefined;
}

export class Transport {
  readonly tries: number;
  private readonly url: string;
  private readonly apiKey: string | undefined;

  constructor(options: ClientOptions) {
    const chosen = options.url ?? environment("TCAN_URL") ?? DEFAULT_URL;
    if (!/^https?:$/.test(URL.canParse(chosen) ? new URL(chosen).protocol : "")) {
      throw new ClientError(
        `"${chosen}" is not the URL of a service; set TCAN_URL or \`url\` to one like ${DEFAULT_URL}`,
      );
    }
    this.url = chosen.replace(/\/+$/, "");
    this.apiKey = (options.apiKey ?? environment("TCAN_API_KEY"))?.trim();
    if (!/^[ -~]*$/.test(this.apiKey ?? "")) {
      throw new ClientError("the API key has a character that no key has; copy the key that 'tcan keys create' printed");
    }
    this.tries = options.tries ?? 6;
  }

  /**
   * Send a request until an attempt succeeds, and return what `read` makes of its response.
   *
   * @throws ProblemError, UnreachableError, or the signal's reason.
   */
  async run<T>(request: HttpRequest, read: (response: Response) => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await read(await this.open(request));
      } catch (error) {
        await this.pause(error, failures, this.tries, request.signal);
      }
    }
  }

  /** Send a request and return its JSON. */
  json<T>(request: HttpRequest): Promise<T> {
    return this.run(request, async (response) => (await response.json()) as T);
  }

  /** Send a request once. Throws ProblemError unless the response is a success. */
  async open(request: HttpRequest): Promise<Response> {
    const isOwn = request.path.startsWith("/");
    const headers = new Headers(request.headers);
    if (isOwn && this.apiKey) {
      // Unlike X-API-Key, it is removed by redirects to the object store.
      headers.set("Authorization", `Bearer ${this.apiKey}`);
    }
    const response = await fetch(isOwn ? this.url + request.path : request.path, {
      method: request.method ?? "GET",
      headers,
      body: request.body ?? null,
      signal: request.signal ?? null,
    });
    if (!response.ok) {
      throw await ProblemError.from(response);
    }
    return response;
  }

  /** Wait before the next attempt. Throws the error when there will be none. */
  async pause(
    error: unknown,
    failures: number,
    tries: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    signal?.throwIfAborted();
    const failure = this.clientError(error);
    if (failures >= tries || !isRetryable(failure)) {
      throw failure;
    }
    const retryAfter = failure instanceof ProblemError ? failure.retryAfter : undefined;
    const seconds = retryAfter ?? FIRST_PAUSE_S * 2 ** (failures - 1);
    await sleep(Math.min(seconds, MAX_PAUSE_S), signal);
  }

  /** Return the client's error for one of fetch: a TypeError, or a SyntaxError in JSON. */
  private clientError(error: unknown): unknown {
    if (error instanceof TypeError) {
      const cause = error.cause instanceof Error ? error.cause.message : error.message;
      return new UnreachableError(`no answer from ${this.url}: ${cause}`, { cause: error });
    }
    if (error instanceof SyntaxError) {
      const text = `the server at ${this.url} sent no JSON; is it tcan?`;
      return new UnreachableError(text, { cause: error });
    }
    return error;
  }
}

function isRetryable(error: unknown): boolean {
  if (error instanceof ProblemError) {
    // 409 with Retry-After: the result is not ready, or the idempotency key is in use.
    return RETRIED_STATUSES.includes(error.status) || (error.status === 409 && error.retryAfter !== undefined);
  }
  return error instanceof UnreachableError && error.cause instanceof TypeError;
}

/** Wait for some seconds, or until the signal aborts, whose reason is thrown. */
export function sleep(seconds: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, seconds * 1000);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
