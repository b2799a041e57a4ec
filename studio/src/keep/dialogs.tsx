import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX, TargetedEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { hasEnded, type Client, type Job } from "tcan-client";
import { describeError, noteRefusal, type Trouble } from "../api/index.ts";
import { keepFocus } from "../shell/focus.ts";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import { jobName } from "./Card.tsx";
import type { Library } from "./library.ts";

interface DialogProps {
  title: string;
  /** Text of the button that does it. */
  action: string;
  dismissal: string;
  onSubmit: (fields: FormData) => Promise<void>;
  onClose: () => void;
  children: ComponentChildren;
}

/** A question. Escape and the second button close it without an effect. */
function Dialog({ title, action, dismissal, onSubmit, onClose, children }: DialogProps): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);
  const opener = useRef<Element | null>(null);
  useEffect(() => {
    opener.current = document.activeElement;
    dialog.current?.showModal();
  }, []);
  const finish = () => {
    onClose();
    // The browser gives the focus back to the opener, if that is still there.
    keepFocus(opener.current);
  };

  const submit = async (event: TargetedEvent<HTMLFormElement, SubmitEvent>) => {
    event.preventDefault();
    isBusy.value = true;
    trouble.value = null;
    try {
      await onSubmit(new FormData(event.currentTarget));
      dialog.current?.close();
    } catch (error) {
      noteRefusal(error);
      trouble.value = describeError(error);
    } finally {
      isBusy.value = false;
    }
  };
  return (
    <dialog ref={dialog} class="panel dialog" aria-labelledby="dialog-title" onClose={finish}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <h2 id="dialog-title">{title}</h2>
        {children}
        {trouble.value ? <TroubleNotice trouble={trouble.value} /> : null}
        <div class="row">
          <button type="submit" class="button primary" disabled={isBusy.value}>
            {action}
          </button>
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            {dismissal}
          </button>
        </div>
      </form>
    </dialog>
  );
}

interface JobsProps {
  jobs: readonly Job[];
  library: Library;
  onClose: () => void;
}

/** Asks before jobs are erased. */
export function DeleteDialog({ jobs, library, onClose }: JobsProps): JSX.Element {
  const ended = jobs.filter(hasEnded);
  const running = jobs.length - ended.length;
  return (
    <Dialog
      title={texts.keep.deleteTitle(ended.length)}
      action={texts.keep.delete}
      dismissal={texts.keep.keep}
      onSubmit={() => library.erase(ended.map(({ id }) => id))}
      onClose={onClose}
    >
      <Names jobs={ended} />
      <p>{texts.keep.deleteHint}</p>
      {running > 0 ? <p>{texts.keep.deleteRunning(running)}</p> : null}
    </Dialog>
  );
}

/** Asks before jobs are stopped. */
export function CancelDialog({ jobs, library, onClose }: JobsProps): JSX.Element {
  return (
    <Dialog
      title={texts.keep.cancelTitle(jobs.length)}
      action={texts.keep.cancelAll}
      dismissal={texts.keep.goOn}
      onSubmit={() => library.cancel(jobs.map(({ id }) => id))}
      onClose={onClose}
    >
      <Names jobs={jobs} />
      <p>{texts.keep.cancelHint}</p>
    </Dialog>
  );
}

function Names({ jobs }: { jobs: readonly Job[] }): JSX.Element {
  return (
    <ul class="dialog-names" aria-label={texts.keep.jobs}>
      {jobs.map((job) => (
        <li class="name" key={job.id}>
          {jobName(job)}
        </li>
      ))}
    </ul>
  );
}

interface EditProps {
  job: Job;
  client: Client;
  onChanged: (job: Job) => void;
  onClose: () => void;
}

/** Changes a job's name and notes; an empty text removes it. */
export function EditDialog({ job, client, onChanged, onClose }: EditProps): JSX.Element {
  const { name = "", notes = "" } = job.options.metadata ?? {};
  const save = async (fields: FormData) => {
    const text = (field: string) => String(fields.get(field)).trim() || null;
    onChanged(await client.change(job.id, { name: text("name"), notes: text("notes") }));
  };
  return (
    <Dialog
      title={texts.keep.editTitle}
      action={texts.keep.save}
      dismissal={texts.keep.dismiss}
      onSubmit={save}
      onClose={onClose}
    >
      <div class="field">
        <label for="job-name">{texts.keep.name}</label>
        <input class="input" id="job-name" name="name" dir="auto" maxLength={500} defaultValue={name} />
      </div>
      <div class="field">
        <label for="job-notes">{texts.keep.notes}</label>
        <textarea class="input" id="job-notes" name="notes" dir="auto" rows={4} maxLength={500} defaultValue={notes} />
      </div>
    </Dialog>
  );
}
