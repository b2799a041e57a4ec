import "./poses.css";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { percent } from "../format.ts";
import { RedoIcon, UndoIcon } from "../icons.tsx";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import { texts } from "../texts.ts";
import { DriverEditor } from "./drive/DriverEditor.tsx";
import { PictureEditor } from "./edit/PictureEditor.tsx";
import { FitPreview } from "./fit/FitPreview.tsx";
import type { PosesStepProps } from "./index.ts";
import type { Room } from "./room.ts";
import type { Edits, Run, Work } from "./state.ts";

/** The region "Poses": what is found, to be mended, and how it fits the picture. */
export function PosesStep(props: PosesStepProps): JSX.Element {
  const { room } = props;
  const { run, work } = room.state.value;
  const edits = room.edits.value;

  const undoByKey = (event: KeyboardEvent) => {
    const key = event.key.toLowerCase();
    const isUndo = (event.ctrlKey || event.metaKey) && key === "z";
    const isRedo = (isUndo && event.shiftKey) || (event.ctrlKey && key === "y");
    if ((isUndo || isRedo) && !isTyping(event.target)) {
      event.preventDefault();
      (isRedo ? room.redo : room.undo)();
    }
  };
  return (
    <section class="panel stack poses" aria-label={texts.poses.region} onKeyDown={undoByKey}>
      <Head room={room} run={run} work={work} />
      <p role="status" class="visually-hidden">
        {room.spoken.value}
      </p>
      <RunNotice room={room} run={run} />
      {work !== null && edits !== null ? (
        <Editors work={work} edits={edits} props={props} />
      ) : (
        <p class="hint">{texts.poses.hint}</p>
      )}
    </section>
  );
}

function Head({ room, run, work }: { room: Room; run: Run; work: Work | null }): JSX.Element {
  const [past, future] = [work?.history.past.at(-1)?.label ?? null, work?.history.future[0]?.label ?? null];
  return (
    <div class="row spread">
      <h2>{texts.poses.region}</h2>
      <div class="row">
        {work !== null && (
          <>
            <HistoryButton label={texts.poses.undo(past)} isOff={past === null} onClick={room.undo}>
              <UndoIcon />
            </HistoryButton>
            <HistoryButton label={texts.poses.redo(future)} isOff={future === null} onClick={room.redo}>
              <RedoIcon />
            </HistoryButton>
          </>
        )}
        <button
          class={room.isFitCurrent.value ? "button" : "button primary"}
          type="button"
          aria-disabled={run.kind === "running"}
          onClick={() => run.kind !== "running" && void room.preview()}
        >
          {texts.poses.preview}
        </button>
      </div>
    </div>
  );
}

interface HistoryButtonProps {
  /** What it undoes or does again. */
  label: string;
  isOff: boolean;
  onClick: () => void;
  children: ComponentChildren;
}

/** It keeps the focus when there is nothing left to undo. */
function HistoryButton({ label, isOff, onClick, children }: HistoryButtonProps): JSX.Element {
  return (
    <button class="button icon" type="button" aria-label={label} title={label} aria-disabled={isOff} onClick={onClick}>
      {children}
    </button>
  );
}

function RunNotice({ room, run }: { room: Room; run: Run }): JSX.Element | null {
  switch (run.kind) {
    case "idle":
      return null;
    case "failed":
      return (
        <TroubleNotice trouble={run.trouble}>
          {run.trouble.code === "not_a_puppet" ? (
            <button class="button" type="button" onClick={() => void room.previewAnyway()}>
              {texts.poses.anyway}
            </button>
          ) : null}
        </TroubleNotice>
      );
    case "running":
      return (
        <div class="stack">
          <div class="row spread">
            <p role="status">{texts.poses.previewing}</p>
            <button class="button quiet" type="button" onClick={room.stop}>
              {texts.poses.stop}
            </button>
          </div>
          <progress
            aria-label={texts.poses.progress}
            max={100}
            {...(run.share !== null && { value: percent(run.share) })}
          />
        </div>
      );
  }
}

interface EditorsProps {
  work: Work;
  edits: Edits;
  props: PosesStepProps;
}

function Editors({ work, edits, props }: EditorsProps): JSX.Element {
  const { room } = props;
  const top = useRef<HTMLDivElement>(null);
  const picture = useAddress(props.picture);
  const approve = () => {
    room.pass();
    props.onGoOn();
  };
  const back = () => top.current?.querySelector<HTMLElement>(".pose-handle[tabindex='0']")?.focus();
  return (
    <>
      <p class="hint">
        {texts.poses.counts} <span class="of-keys">{texts.poses.keys}</span>
      </p>
      <div ref={top} class="poses-grid">
        <PictureEditor room={room} edits={edits} picture={picture} />
        <DriverEditor room={room} edits={edits} />
        <FitPreview work={work} isCurrent={room.isFitCurrent.value} onApprove={approve} onBack={back} />
      </div>
    </>
  );
}

/** Return an address of the page's own for a file; null for what is elsewhere, which is not loaded. */
function useAddress(source: File | string): string | null {
  const address = useMemo(() => (typeof source === "string" ? ownAddress(source) : URL.createObjectURL(source)), [source]);
  useEffect(
    () => () => {
      if (address?.startsWith("blob:")) {
        URL.revokeObjectURL(address);
      }
    },
    [address],
  );
  return address;
}

function ownAddress(address: string): string | null {
  return new URL(address, location.href).origin === location.origin ? address : null;
}

function isTyping(target: EventTarget | null): boolean {
  return target instanceof HTMLInputElement && target.type === "number";
}
