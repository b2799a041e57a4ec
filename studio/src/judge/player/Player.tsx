import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { JSX, TargetedKeyboardEvent } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { keyOf, readFrame, readSettings, withOffset, writeSettings, type PlayerSettings } from "../model/settings.ts";
import { isFileShown, screeningOf, type Take } from "../model/screening.ts";
import { nextSpeed } from "../model/transport.ts";
import { texts } from "../../texts.ts";
import { Controls } from "./Controls.tsx";
import { Keys } from "./Keys.tsx";
import { commandOf, focusOf, type Command } from "./keys.ts";
import { Playback } from "./playback.ts";
import { Stage } from "./Stage.tsx";
import { ViewBar } from "./ViewBar.tsx";

interface Props {
  takes: readonly Take[];
  /** Name of each job, shown under its pictures where there are several. */
  names: readonly string[];
}

/** The player of one result, or of several in step. */
export function Player({ takes, names }: Props): JSX.Element {
  const query = new URLSearchParams(location.search);
  const settings = useSignal(readSettings(query, takes.length));
  const playback = useMemo(() => new Playback(readFrame(query)), []);
  const screening = useComputed(() => screeningOf(takes, settings.value));
  const isMuted = useSignal(true);
  const hasKeys = useSignal(false);
  const root = useRef<HTMLDivElement>(null);
  const change = (changes: Partial<PlayerSettings>) => (settings.value = { ...settings.value, ...changes });

  useEffect(() => () => playback.close(), []);
  useSignalEffect(() => playback.set(settings.value.speed, settings.value.loop));
  useSignalEffect(() => {
    const now = playback.transport.value;
    if (now.kind === "paused") {
      keepInAddress(settings.value, takes.length, now.frame);
    }
  });

  const onKeyDown = (event: TargetedKeyboardEvent<HTMLDivElement>) => {
    const command = commandOf(event, focusOf(event.target));
    if (command) {
      event.preventDefault();
      run(command);
    }
  };
  const run = (command: Command) => {
    const now = settings.value;
    const { frames } = screening.value;
    switch (command.kind) {
      case "toggle":
        return playback.toggle();
      case "step":
        return playback.dispatch(command);
      case "seek":
        return playback.dispatch({ kind: "seek", frame: command.to === "first" ? 0 : frames - 1 });
      case "loop":
        return change({ loop: !now.loop });
      case "skeleton":
        return change({ skeleton: !now.skeleton });
      case "speed":
        return change({ speed: nextSpeed(now.speed, command.direction) });
      case "offset": {
        const before = now.offsets[keyOf(now.right)] ?? 0;
        return (settings.value = withOffset(now, now.right, command.by === 0 ? 0 : before + command.by));
      }
      case "swap":
        return change({ left: now.right, right: now.left });
      case "fullScreen":
        return void toggleFullScreen(root.current);
      case "keys":
        return (hasKeys.value = !hasKeys.value);
      case "mode":
        return command.mode === "result" && takes.length > 1 ? undefined : change({ mode: command.mode });
    }
  };

  const [first] = takes;
  const hasSound = first !== undefined && isFileShown(first, settings.value) && first.job.params.audio === true;
  return (
    <div class="player" ref={root} role="group" aria-label={texts.judge.player} tabIndex={0} onKeyDown={onKeyDown}>
      <ViewBar settings={settings} takes={takes} names={names} />
      <Stage
        settings={settings}
        screening={screening}
        playback={playback}
        takes={takes}
        names={names}
        isMuted={isMuted.value || !hasSound}
      />
      <Controls
        settings={settings}
        screening={screening}
        playback={playback}
        isMuted={hasSound ? isMuted : undefined}
        hasKeys={hasKeys}
        onFullScreen={() => run({ kind: "fullScreen" })}
      />
      {hasKeys.value ? <Keys /> : null}
    </div>
  );
}

async function toggleFullScreen(element: HTMLElement | null): Promise<void> {
  await (document.fullscreenElement ? document.exitFullscreen() : element?.requestFullscreen());
}

/** A reload, or a copy of the address, shows the same frame in the same way. */
function keepInAddress(settings: PlayerSettings, jobs: number, frame: number): void {
  const query = new URLSearchParams(location.search);
  writeSettings(query, settings, jobs);
  if (frame === 0) {
    query.delete("frame");
  } else {
    query.set("frame", String(frame));
  }
  history.replaceState(history.state, "", `?${query}`);
}
