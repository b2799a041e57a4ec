/** Sending a file through /uploads, with progress; XMLHttpRequest alone reports it in every browser. */

import { ProblemError, UnreachableError, type components } from "tcan-client";
import { jsonBody, request } from "./client.ts";
import { pauseMs } from "./events.ts";

type Schemas = components["schemas"];
type Form = Schemas["PartForm"];

export interface UploadListener {
  /** Called with the share that was sent, 0 to 1. */
  onProgress: (sent: number) => void;
  /** Called when the connection broke and a part will be sent again. */
  onRetry: () => void;
  signal: AbortSignal;
}

export interface Upload {
  /**
   * Send what the service does not have yet, and return the upload's id, which jobs may use for a day.
   *
   * A broken connection is made again, with growing pauses. After a failure, another call goes on
   * with the part at which this one stopped.
   *
   * @throws ProblemError The service refused it.
   * @throws UnreachableError A part could not be sent in six attempts.
   */
  send: (listener: UploadListener) => Promise<string>;
}

const TRIES = 6;
const PART_BYTES = 4 * 1024 * 1024;
const MAX_PARTS = 1000;
/** A connection over which nothing moves for so long is taken for broken. */
const STALL_MS = 60_000;

/** Return the upload of a file; nothing is sent yet. */
export function createUpload(file: File): Upload {
  const partBytes = Math.max(PART_BYTES, Math.ceil(file.size / MAX_PARTS));
  const hasParts = file.size > partBytes;
  let view: Schemas["UploadView"] | null = null;
  let arrived = 0;

  const create = (signal: AbortSignal) => {
    const body = { max_bytes: Math.max(1, file.size), ...(hasParts && { part_bytes: partBytes }) };
    return request<Schemas["UploadView"]>("/uploads", { ...jsonBody("POST", body), signal });
  };

  const send: Upload["send"] = async (listener) => {
    const { onProgress, signal } = listener;
    view ??= await repeated(() => create(signal), listener);
    const forms: Form[] = view.parts ?? [view];
    while (arrived < forms.length) {
      const start = arrived * partBytes;
      const part = file.slice(start, start + partBytes);
      const report = (sent: number) => onProgress(file.size > 0 ? (start + sent * part.size) / file.size : sent);
      const form = forms[arrived] as Form;
      await repeated(() => sendForm(form, part, report, signal), listener);
      arrived++;
    }
    if (hasParts) {
      const path = `/uploads/${view.id}/join`;
      await repeated(() => request(path, { method: "POST", signal }), listener);
    }
    return view.id;
  };

  return {
    async send(listener) {
      try {
        return await send(listener);
      } catch (error) {
        if (error instanceof ProblemError && !isPassing(error)) {
          // Such as forms that have expired: another call begins anew.
          [view, arrived] = [null, 0];
        }
        throw error;
      }
    },
  };
}

/** Do it again after passing failures. */
async function repeated<T>(work: () => Promise<T>, { onRetry, signal }: UploadListener): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await work();
    } catch (error) {
      signal.throwIfAborted();
      if (failures + 1 >= TRIES || !isPassing(error)) {
        throw error;
      }
      onRetry();
      await pause(pauseMs(failures), signal);
    }
  }
}

function isPassing(error: unknown): boolean {
  return error instanceof UnreachableError || (error instanceof ProblemError && [429, 503].includes(error.status));
}

function sendForm(form: Form, part: Blob, onProgress: (sent: number) => void, signal: AbortSignal): Promise<void> {
  const body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) {
    body.append(name, value);
  }
  body.append("file", part, "file");
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    const abort = () => {
      sending.abort();
      reject(signal.reason as Error);
    };
    const breakOff = () => {
      sending.abort();
      reject(new UnreachableError("the connection broke while the file was sent"));
    };
    let stall = setTimeout(breakOff, STALL_MS);
    signal.addEventListener("abort", abort, { once: true });
    sending.upload.onprogress = (event) => {
      clearTimeout(stall);
      stall = setTimeout(breakOff, STALL_MS);
      onProgress(event.total > 0 ? event.loaded / event.total : 0);
    };
    sending.onerror = breakOff;
    sending.onload = () => {
      if (sending.status < 300) {
        resolve();
      } else {
        reject(refusal(sending));
      }
    };
    sending.onloadend = () => {
      clearTimeout(stall);
      signal.removeEventListener("abort", abort);
    };
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
