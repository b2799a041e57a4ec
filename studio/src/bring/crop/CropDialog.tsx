import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { describeError, type Trouble } from "../../api/index.ts";
import { TroubleNotice } from "../../shell/TroubleNotice.tsx";
import { texts } from "../../texts.ts";
import { largest, moved, type Box, type Handle, type Size } from "./box.ts";
import { CropStage } from "./CropStage.tsx";
import { cropFile, readSize } from "./draw.ts";
import "./crop.css";

interface Props {
  file: File;
  /** What the driving file is shown by; null without one. */
  driver: string | null;
  /** Called with the kept part, or with the file itself if that is all of it. */
  onCrop: (file: File) => void;
  onClose: () => void;
}

type Aspect = "free" | "driver" | "square";

/** Choose the part of a picture that is kept; Escape leaves it as it is. */
export function CropDialog({ file, driver, onCrop, onClose }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null);
  const url = useMemo(() => URL.createObjectURL(file), [file]);
  const picture = useSignal<Size | null>(null);
  const box = useSignal<Box | null>(null);
  const driverSize = useSignal<Size | null>(null);
  const aspect = useSignal<Aspect>("free");
  const trouble = useSignal<Trouble | null>(null);

  useEffect(() => {
    dialog.current?.showModal();
    return () => URL.revokeObjectURL(url);
  }, [url]);
  useEffect(() => {
    if (driver !== null) {
      void readSize(driver).then((size) => (driverSize.value = size));
    }
  }, [driver]);

  const load = (size: Size) => {
    picture.value = size;
    box.value = { x: 0, y: 0, ...size };
  };
  const ratio = ratioOf(aspect.value, driverSize.value);
  const move = (from: Box, handle: Handle, dx: number, dy: number) => {
    if (picture.value) {
      box.value = moved(from, handle, dx, dy, picture.value, ratio);
    }
  };
  const choose = (name: Aspect) => {
    aspect.value = name;
    if (picture.value && box.value) {
      box.value = largest(box.value, picture.value, ratioOf(name, driverSize.value));
    }
  };
  const apply = async (kept: Box, whole: Size) => {
    const isWhole = kept.width === whole.width && kept.height === whole.height;
    try {
      onCrop(isWhole ? file : await cropFile(file, kept));
      dialog.current?.close();
    } catch (error) {
      trouble.value = describeError(error);
    }
  };

  return (
    <dialog ref={dialog} class="panel crop" aria-labelledby="crop-title" onClose={onClose}>
      <div class="stack">
        <h2 id="crop-title">{texts.crop.title}</h2>
        <p class="hint">{texts.crop.hint}</p>
        <CropStage url={url} picture={picture.value} box={box.value} onLoad={load} onMove={move} />
        <AspectChoice value={aspect.value} hasDriver={driverSize.value !== null} onChoose={choose} />
        {box.value ? <Numbers box={box.value} onMove={move} /> : null}
        {trouble.value ? <TroubleNotice trouble={trouble.value} /> : null}
        <div class="row">
          <button
            class="button primary"
            type="button"
            onClick={() => box.value && picture.value && void apply(box.value, picture.value)}
          >
            {texts.crop.apply}
          </button>
          <button class="button" type="button" onClick={() => dialog.current?.close()}>
            {texts.crop.cancel}
          </button>
        </div>
      </div>
    </dialog>
  );
}

function ratioOf(aspect: Aspect, driver: Size | null): number | null {
  if (aspect === "square") {
    return 1;
  }
  return aspect === "driver" && driver ? driver.width / driver.height : null;
}

interface AspectProps {
  value: Aspect;
  hasDriver: boolean;
  onChoose: (aspect: Aspect) => void;
}

function AspectChoice({ value, hasDriver, onChoose }: AspectProps): JSX.Element {
  const names: Aspect[] = hasDriver ? ["free", "driver", "square"] : ["free", "square"];
  return (
    <fieldset class="row">
      <legend class="label">{texts.crop.aspect}</legend>
      {names.map((name) => (
        <label key={name} class="row">
          <input type="radio" name="aspect" checked={value === name} onChange={() => onChoose(name)} />
          {texts.crop.aspects[name]}
        </label>
      ))}
    </fieldset>
  );
}

interface NumbersProps {
  box: Box;
  onMove: (from: Box, handle: Handle, dx: number, dy: number) => void;
}

/** The frame as numbers, for those who neither drag nor press arrows. */
function Numbers({ box, onMove }: NumbersProps): JSX.Element {
  const change: Record<keyof Box, (by: number) => void> = {
    x: (by) => onMove(box, "all", by, 0),
    y: (by) => onMove(box, "all", 0, by),
    width: (by) => onMove(box, "se", by, 0),
    height: (by) => onMove(box, "se", 0, by),
  };
  return (
    <div class="crop-numbers">
      {(["x", "y", "width", "height"] as const).map((name) => (
        <label key={name} class="field">
          <span>{texts.crop.numbers[name]}</span>
          <input
            class="input num"
            type="number"
            min={name === "x" || name === "y" ? 0 : 1}
            value={box[name]}
            onChange={(event) => {
              change[name](Number(event.currentTarget.value) - box[name]);
              event.currentTarget.value = String(box[name]);
            }}
          />
        </label>
      ))}
    </div>
  );
}
