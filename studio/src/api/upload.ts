/** Sending a file through /uploads, with progress; XMLHttpRequest alone reports it in every browser. */

import { ProblemError, UnreachableError, type components } from "tcan-client";
import { jsonBody, request } from "./client.ts";
import { pauseMs } from "./events.ts";

type UploadForm = components["schemas"]["UploadView"];

export interface UploadListener {
  /** Called with the share that was sent, 0 to 1. */
  onProgress: (sent: number) => void;
  /** Called when the connection broke and the file will be sent again. */
  onRetry: () => void;
  signal: AbortSignal;
}

const TRIES = 6;

/**
 * Send a file and return the id of its upload, which many jobs may use for a day.
 *
 * A broken connection is made again, with growing pauses, and the same form is used: nothing has to
 * be chosen again. A form takes the whole file, so sending starts at its beginning.
 *
 * @throws ProblemError The service refused it.
 * @throws UnreachableError It could not be reached in six attempts.
 */
export async function uploadFile(file: File, listener: UploadListener): Promise<string> {
  let form: UploadForm | null = null;
  for (let failures = 0; ; failures++) {
    try {
      form ??= await request<UploadForm>("/uploads", {
        ...jsonBody("POST", { max_bytes: Math.max(1, file.size) }),
        signal: listener.signal,
      });
      await sendForm(form, file, listener);
      return form.id;
    } catch (error) {
      listener.signal.throwIfAborted();
      if (failures + 1 >= TRIES || !isPassing(error)) {
        throw error;
      }
      listener.onRetry();
      await pause(pauseMs(failures), listener.signal);
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof ProblemError && [429, 503].includes(error.status));
}

function sendForm(form: UploadForm, file: File, { onProgress, signal }: UploadListener): Promise<void> {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) {
    body.append(name, value);
  }
  body.append("file", file, "file");
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const abort = () => {
      sending.abort();
      reject(signal.reason as Error);
    };
    signal.addEventListener("abort", abort, { once: true });
    sending.upload.onprogress = (event) => onProgress(event.total > 0 ? event.loaded / event.total : 0);
    sending.onerror = () => reject(new UnreachableError("the connection broke while the file was sent"));
    sending.onload = () => {
      if (sending.status < 300) {
        resolve();
      } else {
        reject(refusal(sending));
      }
    };
    sending.onloadend = () => signal.removeEventListener("abort", abort);
    sending.open("POST", form.url);
    sending.send(body);
  });
}

/** An S3 server answers with XML, the gateway with a problem. */
function refusal(sending: XMLHttpRequest): ProblemError {
  let problem: ProblemError["problem"] = {};
  try {
    problem = JSON.parse(sending.responseText) as ProblemError["problem"];
  } catch {
    problem = {};
  }
  return new ProblemError(sending.status, problem, undefined, undefined);
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onOnline = () => resolve();
    const timer = setTimeout(resolve, milliseconds);
    window.addEventListener("online", onOnline, { once: true, signal });
    signal.addEventListener("abort", () => (clearTimeout(timer), reject(signal.reason as Error)), { once: true });
  });
}
