import type { ReadonlySignal, Signal } from "@preact/signals";
import type { JSX } from "preact";
import type { PlayerSettings } from "../model/settings.ts";
import type { Screening } from "../model/screening.ts";
import { timecode } from "../model/rate.ts";
import { shownFrame, SPEEDS } from "../model/transport.ts";
import {
  FullScreenIcon,
  KeyboardIcon,
  LoopIcon,
  NextFrameIcon,
  PauseIcon,
  PlayIcon,
  PreviousFrameIcon,
  SoundIcon,
  SoundOffIcon,
} from "../../icons.tsx";
import { texts } from "../../texts.ts";
import type { Playback } from "./playback.ts";

interface Props {
  settings: Signal<PlayerSettings>;
  screening: ReadonlySignal<Screening>;
  playback: Playback;
  /** Absent where there is no sound. */
  isMuted: Signal<boolean> | undefined;
  hasKeys: Signal<boolean>;
  onFullScreen: () => void;
}

/** Play, steps, position, loop and speed. */
export function Controls({ settings, screening, playback, isMuted, hasKeys, onFullScreen }: Props): JSX.Element {
  const { loop, speed } = settings.value;
  const change = (changes: Partial<PlayerSettings>) => (settings.value = { ...settings.value, ...changes });
  const isPlaying = playback.transport.value.kind === "playing";
  return (
    <div class="controls row">
      <div class="row">
        <Control label={texts.judge.previous} onClick={() => playback.dispatch({ kind: "step", by: -1 })}>
          <PreviousFrameIcon />
        </Control>
        <Control label={isPlaying ? texts.judge.pause : texts.judge.play} onClick={() => playback.toggle()}>
          {isPlaying ? <PauseIcon /> : <PlayIcon />}
        </Control>
        <Control label={texts.judge.next} onClick={() => playback.dispatch({ kind: "step", by: 1 })}>
          <NextFrameIcon />
        </Control>
      </div>
      <Position screening={screening} playback={playback} />
      <div class="row">
        <Control label={texts.judge.loop} isPressed={loop} onClick={() => change({ loop: !loop })}>
          <LoopIcon />
        </Control>
        <select
          class="input speed num"
          aria-label={texts.judge.speed}
          value={String(speed)}
          onChange={(event) => change({ speed: Number(event.currentTarget.value) })}
        >
          {SPEEDS.map((each) => (
            <option key={each} value={String(each)}>
              {texts.judge.speedOf(each)}
            </option>
          ))}
        </select>
        {isMuted ? (
          <Control
            label={isMuted.value ? texts.judge.soundOn : texts.judge.soundOff}
            onClick={() => (isMuted.value = !isMuted.value)}
          >
            {isMuted.value ? <SoundOffIcon /> : <SoundIcon />}
          </Control>
        ) : null}
        <Control label={texts.judge.keys} isPressed={hasKeys.value} onClick={() => (hasKeys.value = !hasKeys.value)}>
          <KeyboardIcon />
        </Control>
        <Control label={texts.judge.fullScreen} onClick={onFullScreen}>
          <FullScreenIcon />
        </Control>
      </div>
    </div>
  );
}

/** The frame on the screen: its number is the one of the API. */
function Position({ screening, playback }: Pick<Props, "screening" | "playback">): JSX.Element {
  const { frames, rate } = screening.value;
  const transport = playback.transport.value;
  const frame = shownFrame(transport);
  const last = frames - 1;
  const seek = (to: number) => {
    if (Number.isInteger(to)) {
      playback.dispatch({ kind: "seek", frame: to });
    }
  };
  return (
    <div class="position">
      <input
        type="range"
        min="0"
        max={last}
        value={frame}
        aria-label={texts.judge.position}
        aria-valuetext={texts.judge.frameOf(frame, last)}
        onInput={(event) => seek(event.currentTarget.valueAsNumber)}
      />
      <label class="row frame-number num">
        {texts.judge.frame}
        <input
          class="input"
          type="number"
          min="0"
          max={last}
          value={frame}
          onFocus={() => playback.dispatch({ kind: "pause" })}
          onChange={(event) => seek(event.currentTarget.valueAsNumber)}
        />
        <span class="hint">{texts.judge.ofLast(last)}</span>
      </label>
      <span class="hint num timecode">{timecode(frame, rate)}</span>
      <span class="visually-hidden" role="status">
        {transport.kind === "paused" ? texts.judge.frameOf(frame, last) : ""}
      </span>
    </div>
  );
}

interface ControlProps {
  label: string;
  isPressed?: boolean;
  onClick: () => void;
  children: JSX.Element;
}

function Control({ label, isPressed, onClick, children }: ControlProps): JSX.Element {
  return (
    <button
      type="button"
      class="button quiet icon"
      aria-label={label}
      title={label}
      aria-pressed={isPressed}
      onClick={onClick}
    >
      {children}
    </button>
  );
}
