import { useSignal, useSignalEffect } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { hasEnded, type Client, type Job } from "tcan-client";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import { Card } from "./Card.tsx";
import { CancelDialog, DeleteDialog, EditDialog } from "./dialogs.tsx";
import { FilterBar } from "./FilterBar.tsx";
import { isShown, presetsOf, writeFilters } from "./filters.ts";
import type { HistoryViewProps } from "./index.ts";
import "./keep.css";
import { Library } from "./library.ts";
import { Queue } from "./Queue.tsx";
import { queueOf } from "./shelf.ts";

type Asked =
  { kind: "nothing" } | { kind: "delete" | "cancel"; jobs: readonly Job[] } | { kind: "edit"; job: Job };

const MAX_COMPARED = 4;

/** The region "History". */
export function HistoryView(props: HistoryViewProps): JSX.Element {
  const { client, filters, onFilter, onOpen, onCompare, onUseSettings } = props;
  const library = useMemo(() => new Library(client), []);
  const selected = useSignal<ReadonlySet<string>>(new Set());
  const asked = useSignal<Asked>({ kind: "nothing" });
  useEffect(() => () => library.close(), []);
  useEffect(() => library.open(filters), [filters.state, filters.days]);

  const shelf = library.shelf.value;
  const all = shelf.kind === "read" ? shelf.jobs : [];
  const jobs = all.filter((job) => isShown(job, filters));
  const chosen = jobs.filter(({ id }) => selected.value.has(id));
  const ask = (question: Asked) => (asked.value = question);
  const close = () => ask({ kind: "nothing" });
  const toggle = (id: string) => {
    const ids = new Set(selected.value);
    if (!ids.delete(id)) {
      ids.add(id);
    }
    selected.value = ids;
  };

  return (
    <section class="stack history" aria-label={texts.keep.region}>
      <h1 class="visually-hidden">{texts.keep.title}</h1>
      <Queue
        jobs={queueOf(shelf)}
        onOpen={onOpen}
        onCancel={(job) => library.cancel([job.id])}
        onCancelAll={(jobs) => ask({ kind: "cancel", jobs })}
      />
      <div class="history-bar panel">
        <FilterBar filters={filters} onFilter={onFilter} presets={presetsOf(all, filters)} />
        <div class="row spread">
          <p class="hint num" role="status">
            {shelf.kind === "read"
              ? chosen.length > 0
                ? texts.keep.selected(chosen.length)
                : texts.keep.count(jobs.length, shelf.next === null)
              : texts.keep.reading}
          </p>
          <Selection
            chosen={chosen}
            onClear={() => (selected.value = new Set())}
            onCompare={() => onCompare(chosen.map(({ id }) => id))}
            onDelete={() => ask({ kind: "delete", jobs: chosen })}
          />
        </div>
      </div>
      {shelf.kind === "failed" ? (
        <TroubleNotice trouble={shelf.trouble}>
          <button type="button" class="button" onClick={() => library.open(filters)}>
            {texts.keep.again}
          </button>
        </TroubleNotice>
      ) : null}
      {shelf.kind === "read" && jobs.length === 0 && shelf.next === null ? (
        <p class="hint">{writeFilters(filters).size === 0 ? texts.keep.empty : texts.keep.none}</p>
      ) : null}
      <ul class="cards">
        {jobs.map((job) => (
          <Card
            key={job.id}
            job={job}
            isSelected={selected.value.has(job.id)}
            onSelect={() => toggle(job.id)}
            onOpen={() => onOpen(job.id)}
            onEdit={() => ask({ kind: "edit", job })}
            onUseSettings={() => onUseSettings(job)}
            onDelete={() => ask({ kind: "delete", jobs: [job] })}
          />
        ))}
      </ul>
      <More library={library} />
      <Question asked={asked.value} library={library} client={client} onClose={close} />
    </section>
  );
}

interface QuestionProps {
  asked: Asked;
  library: Library;
  client: Client;
  onClose: () => void;
}

function Question({ asked, client, ...others }: QuestionProps): JSX.Element | null {
  switch (asked.kind) {
    case "nothing":
      return null;
    case "delete":
      return <DeleteDialog jobs={asked.jobs} {...others} />;
    case "cancel":
      return <CancelDialog jobs={asked.jobs} {...others} />;
    case "edit":
      return (
        <EditDialog
          job={asked.job}
          client={client}
          onChanged={(job) => others.library.change(job)}
          onClose={others.onClose}
        />
      );
  }
}

interface SelectionProps {
  chosen: readonly Job[];
  onClear: () => void;
  onCompare: () => void;
  onDelete: () => void;
}

/** What can be done with the selected jobs. */
function Selection({ chosen, onClear, onCompare, onDelete }: SelectionProps): JSX.Element {
  const isComparable =
    chosen.length > 1 &&
    chosen.length <= MAX_COMPARED &&
    chosen.every(({ status, kind }) => status === "succeeded" && kind === "animate");
  const isErasable = chosen.some(hasEnded);
  return (
    <div class="row">
      {chosen.length > 0 && !isComparable ? <span class="hint">{texts.keep.compareHint}</span> : null}
      <button
        type="button"
        class="button"
        aria-disabled={!isComparable}
        onClick={isComparable ? onCompare : undefined}
      >
        {texts.keep.compare}
      </button>
      <button type="button" class="button" aria-disabled={!isErasable} onClick={isErasable ? onDelete : undefined}>
        {texts.keep.delete}
      </button>
      {chosen.length > 0 ? (
        <button type="button" class="button quiet" onClick={onClear}>
          {texts.keep.clear}
        </button>
      ) : null}
    </div>
  );
}

/** The end of the list: when it comes near, the next page is read. */
function More({ library }: { library: Library }): JSX.Element | null {
  const end = useRef<HTMLDivElement>(null);
  const isNear = useSignal(false);
  useEffect(() => {
    const observer = new IntersectionObserver(([entry]) => (isNear.value = entry?.isIntersecting ?? false), {
      rootMargin: "600px",
    });
    observer.observe(end.current!);
    return () => observer.disconnect();
  }, []);
  useSignalEffect(() => {
    const shelf = library.shelf.value;
    if (isNear.value && shelf.kind === "read" && !shelf.isReadingMore) {
      queueMicrotask(() => library.more());
    }
  });
  const shelf = library.shelf.value;
  return (
    <div ref={end} class="history-end">
      {shelf.kind === "read" && shelf.next !== null ? (
        <button type="button" class="button" onClick={() => library.more()}>
          {texts.keep.more}
        </button>
      ) : null}
    </div>
  );
}
