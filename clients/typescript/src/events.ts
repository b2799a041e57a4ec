/** Server-sent events of a job. */

import type { Job } from "./types.js";

/** A change of a job. */
export interface JobEvent {
  /** The job's `version` at the change. */
  id: number;
  /**
   * What changed: `state`, `progress`, `preview`, `cancel`, or what a newer service adds; `queue`
   * if a waiting job's place has moved, with the id of the event before.
   */
  kind: string;
  /** The job at that moment. */
  job: Job;
}

/**
 * Yield the events of a response, and null for each comment, which keeps the connection alive.
 *
 * @param silenceMs Longest time without a byte; then the connection counts as lost.
 */
export async function* readEvents(
  response: Response,
  silenceMs: number,
): AsyncGenerator<JobEvent | null> {
  if (!response.headers.get("Content-Type")?.startsWith("text/event-stream") || !response.body) {
    throw new SyntaxError("not an event stream");
  }
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (;;) {
      const { done, value } = await withTimeout(reader.read(), silenceMs);
      if (done) {
        return;
      }
      const frames = (text + decoder.decode(value, { stream: true })).split("\n\n");
      text = frames.pop() ?? "";
      yield* frames.map(parseFrame);
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

function parseFrame(frame: string): JobEvent | null {
  const fields = new Map<string, string>();
  for (const line of frame.split("\n")) {
    const end = line.indexOf(": ");
    fields.set(line.slice(0, end), line.slice(end + 2));
  }
  const data = fields.get("data");
  if (data === undefined) {
    return null;
  }
  const job = JSON.parse(data) as Job;
  return { id: Number(fields.get("id") ?? job.version), kind: fields.get("event") ?? "", job };
}

async function withTimeout<T>(promise: Promise<T>, milliseconds: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TypeError("the event stream is silent")), milliseconds);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
