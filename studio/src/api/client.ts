/** The service's client, as the page uses it: requests go to the page's own origin. */

import { Client, ProblemError, UnreachableError } from "tcan-client";

/**
 * Return a client of the service that served this page. The browser sends the session's cookie.
 *
 * @param tries Attempts of a request; 1 where the caller repeats by itself.
 */
export function createClient(tries = 3): Client {
  return new Client({ url: location.origin, tries });
}

/**
 * Send one request that the client has no method for, and return its JSON.
 *
 * @throws ProblemError The service refused it.
 * @throws UnreachableError It did not answer.
 */
export async function request<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    throw new UnreachableError(`no answer from ${location.host}`, { cause: error });
  }
  if (!response.ok) {
    throw await ProblemError.from(response);
  }
  return (response.status === 204 ? undefined : await response.json()) as T;
}

/** Return what `fetch` needs to send JSON. */
export function jsonBody(method: string, body: unknown): RequestInit {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
