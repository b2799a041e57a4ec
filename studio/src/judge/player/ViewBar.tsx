import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import { keyOf, MODES, type Picture, type PlayerSettings } from "../model/settings.ts";
import type { Take } from "../model/screening.ts";
import { CELLS, type CellName } from "../model/sides.ts";
import { SwapIcon } from "../../icons.tsx";
import { texts } from "../../texts.ts";
import { pictureName } from "./names.ts";

interface Props {
  settings: Signal<PlayerSettings>;
  takes: readonly Take[];
  names: readonly string[];
}

/** What is shown: the view, and its pictures. */
export function ViewBar({ settings, takes, names }: Props): JSX.Element {
  const { mode, skeleton } = settings.value;
  const change = (changes: Partial<PlayerSettings>) => (settings.value = { ...settings.value, ...changes });
  const modes = MODES.filter((name) => name !== "result" || takes.length === 1);
  const hasSkeleton = takes.some(({ review }) => review.cells.skeleton);
  return (
    <div class="view-bar row">
      <div class="choices" role="group" aria-label={texts.judge.views}>
        {modes.map((name) => (
          <button
            key={name}
            type="button"
            class="button quiet"
            aria-pressed={mode === name}
            title={texts.judge.modeHints[name]}
            onClick={() => change({ mode: name })}
          >
            {texts.judge.modes[name]}
          </button>
        ))}
      </div>
      {mode === "side" ? <Cells settings={settings} takes={takes} /> : null}
      {mode === "wipe" ? <WipePictures settings={settings} takes={takes} names={names} /> : null}
      {mode === "single" ? (
        <PictureChoice
          label={texts.judge.picture}
          value={settings.value.right}
          takes={takes}
          names={names}
          onChange={(right) => change({ right })}
        />
      ) : null}
      {mode !== "result" && hasSkeleton ? (
        <label class="row check">
          <input type="checkbox" checked={skeleton} onChange={() => change({ skeleton: !skeleton })} />
          {texts.judge.overlay}
        </label>
      ) : null}
    </div>
  );
}

function Cells({ settings, takes }: Pick<Props, "settings" | "takes">): JSX.Element {
  const { cells } = settings.value;
  const toggle = (cell: CellName) => {
    const chosen = CELLS.filter((name) => cells.includes(name) !== (name === cell));
    if (chosen.length > 0) {
      settings.value = { ...settings.value, cells: chosen };
    }
  };
  return (
    <div class="choices" role="group" aria-label={texts.judge.shownCells}>
      {CELLS.filter((cell) => takes.some(({ review }) => review.cells[cell])).map((cell) => (
        <button
          key={cell}
          type="button"
          class="button quiet"
          aria-pressed={cells.includes(cell)}
          onClick={() => toggle(cell)}
        >
          {texts.judge.cells[cell]}
        </button>
      ))}
    </div>
  );
}

function WipePictures({ settings, takes, names }: Props): JSX.Element {
  const { left, right } = settings.value;
  const change = (changes: Partial<PlayerSettings>) => (settings.value = { ...settings.value, ...changes });
  const choices = { takes, names };
  return (
    <div class="row">
      <PictureChoice
        label={texts.judge.left}
        value={left}
        onChange={(chosen) => change({ left: chosen })}
        {...choices}
      />
      <button
        type="button"
        class="button quiet icon"
        aria-label={texts.judge.swap}
        title={texts.judge.swap}
        onClick={() => change({ left: right, right: left })}
      >
        <SwapIcon />
      </button>
      <PictureChoice
        label={texts.judge.right}
        value={right}
        onChange={(chosen) => change({ right: chosen })}
        {...choices}
      />
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: Picture;
  takes: readonly Take[];
  names: readonly string[];
  onChange: (picture: Picture) => void;
}

function PictureChoice({ label, value, takes, names, onChange }: ChoiceProps): JSX.Element {
  const pictures = takes.flatMap(({ review }, job) =>
    CELLS.filter((cell) => review.cells[cell]).map((cell) => ({ job, cell })),
  );
  return (
    <label class="row choice">
      {label}
      <select
        class="input"
        value={keyOf(value)}
        onChange={(event) => onChange(pictures[event.currentTarget.selectedIndex] ?? value)}
      >
        {pictures.map((picture) => (
          <option key={keyOf(picture)} value={keyOf(picture)}>
            {pictureName(picture, names)}
          </option>
        ))}
      </select>
    </label>
  );
}
