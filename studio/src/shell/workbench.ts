/** The Make view's state and what its buttons do: inputs, poses, parameters, the job. */

import { effect, signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { Client, Job } from "tcan-client";
import {
  createClient,
  describeError,
  followJob,
  inputOf,
  noteRefusal,
  type InputName,
  type Trouble,
} from "../api/index.ts";
import { createSlot, type InputSlot, type Statement } from "../bring/index.ts";
import { changeParam, requestParams, useJobParams, wantsConsent, settings } from "../choose/index.ts";
import type { ApprovedPoses } from "../poses/index.ts";
import { jobOf, NONE, reduceRun, type Run, type RunEvent } from "../watch/index.ts";
import { navigate, route } from "./route.ts";

export interface Workbench {
  client: Client;
  inputs: Record<InputName, InputSlot>;
  run: ReadonlySignal<Run>;
  /** The newest result; it stays while the next job runs. */
  result: ReadonlySignal<Job | null>;
  poses: Signal<ApprovedPoses>;
  /** Whether a job can be submitted, and from what: the inputs, or those of the open job. */
  source: () => Source;
  animate: () => Promise<void>;
  /** Submit as soon as both files are sent; nothing happens if one is refused. */
  animateWhenSent: () => Promise<void>;
  /** Submit the job's inputs and parameters once more. */
  repeat: (job: Job) => Promise<void>;
  /** Do the same although the preset was not made for what they show; later jobs may do so too. */
  animateAnyway: (job: Job) => Promise<void>;
  /** Show a refusal beside the input that it is about. Returns false if it is about none. */
  refuse: (trouble: Trouble) => boolean;
  cancel: () => Promise<void>;
  /** Take over the settings of a result, and show its job. Returns false if the service has it no more. */
  restore: (statement: Statement) => Promise<boolean>;
  /** Show a job that was just made elsewhere, such as by "again with another seed". */
  show: (job: Job) => void;
  /** Show a job's new name or notes. */
  update: (job: Job) => void;
  close: () => void;
}

export type Source =
  | { kind: "inputs"; image: string; driving: string | File }
  | { kind: "job"; id: string }
  | { kind: "sending" }
  | { kind: "missing"; inputs: "both" | InputName };

/** Return the state of the Make view, which follows the job of the URL. */
export function createWorkbench(): Workbench {
  const client = createClient();
  const inputs = { picture: createSlot(), driver: createSlot() };
  const run = signal<Run>(NONE);
  const result = signal<Job | null>(null);
  const poses = signal<ApprovedPoses>({});
  let followed: { id: string; stop: () => void } | null = null;

  const dispatch = (event: RunEvent) => {
    run.value = reduceRun(run.value, event);
    if (run.value.kind === "ended" && run.value.job.status === "succeeded") {
      result.value = run.value.job;
    }
  };

  const follow = (id: string) => {
    if (followed?.id === id) {
      return;
    }
    followed?.stop();
    dispatch({ kind: "opened", id });
    const stop = followJob(createClient(1), id, {
      onJob: (job) => dispatch({ kind: "changed", job }),
      onConnection: (connection) => dispatch({ kind: "connection", connection }),
      onRefusal(error) {
        followed = null;
        noteRefusal(error);
        dispatch({ kind: "lost", id, trouble: describeError(error) });
      },
    });
    followed = { id, stop };
  };

  const unfollow = () => {
    followed?.stop();
    followed = null;
    dispatch({ kind: "closed" });
  };

  const followRoute = (job: string | null) => (job === null ? unfollow() : follow(job));

  effect(() => {
    const now = route.value;
    if (now.view === "make") {
      // Untracked: the route alone decides.
      queueMicrotask(() => followRoute(now.job));
    }
  });

  // Poses were made for these inputs alone.
  effect(() => {
    void inputs.picture.thumbnail.value;
    void inputs.driver.thumbnail.value;
    poses.value = {};
  });

  const source = (): Source => {
    const [picture, driver] = [inputs.picture.state.value, inputs.driver.state.value];
    if (picture.kind === "ready" && driver.kind === "ready") {
      return { kind: "inputs", image: picture.input, driving: poses.value.driving ?? driver.input };
    }
    if (picture.kind === "sending" || driver.kind === "sending") {
      return { kind: "sending" };
    }
    if (picture.kind === "empty" && driver.kind === "empty") {
      const open = run.value.kind === "ended" ? run.value.job : null;
      return open?.kind === "animate" ? { kind: "job", id: open.id } : { kind: "missing", inputs: "both" };
    }
    return { kind: "missing", inputs: picture.kind === "ready" ? "driver" : "picture" };
  };

  const submit = (from: Source): Promise<Job> | null => {
    const { imagePose, driving, trim, person } = poses.value;
    // Mended poses are a file of the page's own: what was said of the driving file does not count for it.
    const own = driving && { layout: "auto", canvas: null, fps: null } as const;
    const params = { ...requestParams(), ...own, ...(trim && { trim }), ...(person !== undefined && { person }) };
    const options = wantsConsent() ? { consent: settings.consent.value } : {};
    if (from.kind === "inputs") {
      return client.submit(from.image, from.driving, { params, options, ...(imagePose && { imagePose }) });
    }
    return from.kind === "job" ? client.retry(from.id, { params, options }) : null;
  };

  const send = async (sent: Promise<Job>) => {
    followed?.stop();
    followed = null;
    dispatch({ kind: "submitted" });
    try {
      navigate({ view: "make", job: (await sent).id });
    } catch (error) {
      noteRefusal(error);
      const trouble = describeError(error);
      if (refuse(trouble)) {
        followRoute(route.value.view === "make" ? route.value.job : null);
      } else {
        dispatch({ kind: "refused", trouble });
      }
    }
  };

  const refuse = (trouble: Trouble): boolean => {
    const name = inputOf(trouble);
    if (name !== null) {
      inputs[name].refuse(trouble);
    }
    return name !== null;
  };

  const animate = async () => {
    const sent = submit(source());
    if (sent !== null) {
      await send(sent);
    }
  };

  const animateWhenSent = async () => {
    await new Promise<void>((resolve) => {
      const stop = effect(() => {
        if (source().kind !== "sending") {
          queueMicrotask(() => stop());
          resolve();
        }
      });
    });
    if (source().kind === "inputs") {
      await animate();
    }
  };

  return {
    client,
    inputs,
    run,
    result,
    poses,
    source,
    animate,
    animateWhenSent,
    repeat: (job) => send(client.retry(job.id)),
    animateAnyway(job) {
      changeParam("any_subject", true);
      return send(client.retry(job.id, { params: { any_subject: true } }));
    },
    refuse,
    async cancel() {
      const now = run.value;
      if (now.kind === "following") {
        dispatch({ kind: "cancelAsked" });
        try {
          dispatch({ kind: "changed", job: await client.cancel(now.job.id) });
        } catch (error) {
          noteRefusal(error);
          dispatch({ kind: "cancelFailed", trouble: describeError(error) });
        }
      }
    },
    async restore({ job: id, params }) {
      const job = await client.job(id).catch((error: unknown) => {
        noteRefusal(error);
        return null;
      });
      useJobParams(job ? job.params : params);
      if (job) {
        navigate({ view: "make", job: id });
      }
      return job !== null;
    },
    show: (job) => navigate({ view: "make", job: job.id }),
    update(job) {
      if (jobOf(run.value)?.id === job.id) {
        dispatch({ kind: "changed", job });
      }
      if (result.value?.id === job.id) {
        result.value = job;
      }
    },
    close: () => navigate({ view: "make", job: null }),
  };
}
