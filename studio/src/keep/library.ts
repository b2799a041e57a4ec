/** The history's state, and what reads and changes it. */

import { signal } from "@preact/signals";
import { ProblemError, type Client, type Job } from "tcan-client";
import { describeError, noteRefusal, request } from "../api/index.ts";
import { ACTIVE, firstPage, type Filters } from "./filters.ts";
import { activeIds, reduceShelf, type Shelf, type ShelfEvent } from "./shelf.ts";

interface Page {
  jobs: Job[];
  next?: string | null;
}

const POLL_MS = 2000;

export class Library {
  readonly shelf = signal<Shelf>({ kind: "reading" });
  private reading = new AbortController();
  private readonly timer: ReturnType<typeof setInterval>;

  constructor(private readonly client: Client) {
    this.timer = setInterval(() => void this.refresh(), POLL_MS);
  }

  /** Read the first page for the filters that the API has. */
  open(filters: Filters): void {
    this.reading.abort();
    this.reading = new AbortController();
    this.dispatch({ kind: "opened" });
    void this.read(firstPage(filters, Date.now())).then(() => this.refresh());
  }

  /** Read the next page, if there is one. */
  more(): void {
    const now = this.shelf.value;
    if (now.kind === "read" && now.next !== null && !now.isReadingMore) {
      const { next } = now;
      this.dispatch({ kind: "moreAsked" });
      void this.read(next.slice(next.indexOf("/jobs?")));
    }
  }

  /** Show a job as it is now. */
  change(job: Job): void {
    this.dispatch({ kind: "changed", jobs: [job] });
  }

  /** Ask jobs to stop, one after the other. */
  async cancel(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      this.change(await this.client.cancel(id));
    }
  }

  /** Erase jobs one after the other. Those before an error are gone. */
  async erase(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await this.client.erase(id);
      this.dispatch({ kind: "erased", ids: [id] });
    }
  }

  close(): void {
    this.reading.abort();
    clearInterval(this.timer);
  }

  private dispatch(event: ShelfEvent): void {
    this.shelf.value = reduceShelf(this.shelf.value, event);
  }

  private async read(path: string): Promise<void> {
    const { signal } = this.reading;
    try {
      const { jobs, next = null } = await request<Page>(path, { signal });
      this.dispatch({ kind: "page", jobs, next });
    } catch (error) {
      if (!signal.aborted && !noteRefusal(error)) {
        this.dispatch({ kind: "failed", trouble: describeError(error) });
      }
    }
  }

  /** Read the jobs that run, and those that have just ended. */
  private async refresh(): Promise<void> {
    if (document.visibilityState === "hidden" || this.shelf.value.kind !== "read") {
      return;
    }
    const { signal } = this.reading;
    try {
      const found = await this.client.jobs({ states: [...ACTIVE], limit: 200, signal });
      const ended = activeIds(this.shelf.value).filter((id) => !found.some((job) => job.id === id));
      const last = await Promise.all(ended.map((id) => this.readLast(id, signal)));
      if (!signal.aborted) {
        this.dispatch({ kind: "changed", jobs: [...found, ...last.flat()] });
      }
    } catch (error) {
      // The next attempt comes by itself; a key that is revoked leads to the sign-in.
      noteRefusal(error);
    }
  }

  /** Read a job that has ended; one that was erased elsewhere leaves the list. */
  private async readLast(id: string, signal: AbortSignal): Promise<Job[]> {
    try {
      return [await this.client.job(id, { signal })];
    } catch (error) {
      if (error instanceof ProblemError && error.code === "job_not_found") {
        this.dispatch({ kind: "erased", ids: [id] });
        return [];
      }
      throw error;
    }
  }
}
