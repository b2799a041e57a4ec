/** Following a job: a snapshot first, then its events, through every loss of the connection. */

import { ProblemError, hasEnded, type Client, type Job } from "tcan-client";

export type Connection = "connecting" | "live" | "lost";

export interface JobListener {
  onJob: (job: Job) => void;
  onConnection: (connection: Connection) => void;
  /** The service refuses to show the job; following has ended. */
  onRefusal: (error: ProblemError) => void;
}

const KINDS = ["state", "progress", "preview", "cancel", "queue"];
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 5000;

/**
 * Follow a job until it ends. Returns a function that stops it.
 *
 * The browser reconnects by itself after the last event that it got. Where it gives up (the gateway
 * answers with an error), and when the page may have slept, a snapshot comes first and then a new
 * stream; older events that it repeats are ignored by their version.
 *
 * @param client Makes one attempt per request: the pauses are made here.
 */
export function followJob(client: Client, jobId: string, listener: JobListener): () => void {
  const stopping = new AbortController();
  let source: EventSource | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let version = -1;

  const stop = () => {
    stopping.abort();
    source?.close();
    clearTimeout(timer);
  };

  const receive = (job: Job) => {
    if (stopping.signal.aborted || job.version < version) {
      return;
    }
    version = job.version;
    failures = 0;
    listener.onConnection("live");
    listener.onJob(job);
    if (hasEnded(job)) {
      stop();
    }
  };

  const retryLater = () => {
    listener.onConnection("lost");
    clearTimeout(timer);
    timer = setTimeout(() => void refresh(), pauseMs(failures));
    failures += 1;
  };

  const open = () => {
    source?.close();
    const opened = new EventSource(`/jobs/${jobId}/events`);
    source = opened;
    for (const kind of KINDS) {
      opened.addEventListener(kind, (event: MessageEvent<string>) => receive(JSON.parse(event.data) as Job));
    }
    opened.onopen = () => listener.onConnection("live");
    opened.onerror = () => {
      if (opened.readyState === EventSource.CLOSED) {
        retryLater();
      } else {
        listener.onConnection("lost");
      }
    };
  };

  const refresh = async () => {
    clearTimeout(timer);
    try {
      receive(await client.job(jobId, { signal: stopping.signal }));
      if (!stopping.signal.aborted) {
        open();
      }
    } catch (error) {
      if (stopping.signal.aborted) {
        return;
      }
      if (error instanceof ProblemError && [401, 403, 404, 410].includes(error.status)) {
        stop();
        listener.onRefusal(error);
      } else {
        retryLater();
      }
    }
  };

  const wake = () => {
    if (document.visibilityState === "visible") {
      failures = 0;
      void refresh();
    }
  };
  const options = { signal: stopping.signal };
  window.addEventListener("pageshow", wake, options);
  window.addEventListener("online", wake, options);
  document.addEventListener("visibilitychange", wake, options);

  listener.onConnection("connecting");
  void refresh();
  return stop;
}

/** Return the pause after so many failures in a row: 0.5 s, doubled each time, 5 s at most. */
export function pauseMs(failures: number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** failures, MAX_PAUSE_MS);
}
