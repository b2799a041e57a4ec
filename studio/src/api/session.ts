/** Who uses the page. The key becomes a cookie that scripts cannot read; it is stored nowhere else. */

import { signal } from "@preact/signals";
import { ProblemError } from "tcan-client";
import { jsonBody, request } from "./client.ts";
import { describeError, type Trouble } from "./problems.ts";

const PATH = "/studio/session";

interface SessionView {
  caller: string | null;
  scopes: string[];
  key_needed: boolean;
}

export type Session =
  | { kind: "unknown" }
  /** The service answers this caller; `isSignedIn` if by a key. */
  | { kind: "open"; caller: string | null; isSignedIn: boolean }
  | { kind: "locked"; trouble: Trouble | null };

export const session = signal<Session>({ kind: "unknown" });

/** Ask the service who this is. */
export async function readSession(): Promise<void> {
  try {
    session.value = sessionOf(await request<SessionView>(PATH));
  } catch (error) {
    noteRefusal(error);
  }
}

/**
 * Exchange a key for a session.
 *
 * @throws ProblemError The key is not valid.
 */
export async function signIn(key: string): Promise<void> {
  session.value = sessionOf(await request<SessionView>(PATH, jsonBody("POST", { key })));
}

/** End the session. */
export async function signOut(): Promise<void> {
  await request(PATH, { method: "DELETE" });
  await readSession();
}

/** Ask for a key if the error says that the session has none that is valid. Returns whether it does. */
export function noteRefusal(error: unknown): boolean {
  const isLocked = error instanceof ProblemError && error.status === 401;
  if (isLocked) {
    session.value = { kind: "locked", trouble: session.value.kind === "open" ? describeError(error) : null };
  }
  return isLocked;
}

function sessionOf(view: SessionView): Session {
  if (view.key_needed && view.caller === null) {
    return { kind: "locked", trouble: null };
  }
  return { kind: "open", caller: view.caller, isSignedIn: view.key_needed };
}
