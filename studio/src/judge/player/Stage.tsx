import type { ReadonlySignal, Signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { PlayerSettings } from "../model/settings.ts";
import { isFileShown, type Screening, type ScreenSide, type Take } from "../model/screening.ts";
import type { Cell, Review } from "../model/sides.ts";
import { texts } from "../../texts.ts";
import { Caption } from "./Caption.tsx";
import { pictureName } from "./names.ts";
import type { Playback } from "./playback.ts";

interface Props {
  settings: Signal<PlayerSettings>;
  screening: ReadonlySignal<Screening>;
  playback: Playback;
  takes: readonly Take[];
  names: readonly string[];
  isMuted: boolean;
}

/** The videos, and the pictures that are cut from them. */
export function Stage({ settings, screening, playback, takes, names, isMuted }: Props): JSX.Element {
  const { reels, sides } = screening.value;
  const { mode, wipe, cells } = settings.value;
  const videos = useRef(new Map<string, HTMLVideoElement>());
  const canvases = useRef(new Map<string, HTMLCanvasElement>());
  const hasOpened = useRef(false);
  const [first] = takes;
  const isResult = mode === "result" && first !== undefined;

  const open = () => {
    const found = reels.flatMap(({ key }) => videos.current.get(key) ?? []);
    const isPlaying = hasOpened.current ? playback.transport.peek().kind === "playing" : isResult && startsByItself();
    hasOpened.current = true;
    playback.open(
      screening.peek(),
      found,
      (images) => paint(screening.peek().sides, images, canvases.current),
      isPlaying,
    );
  };
  useEffect(open, [reels.map(({ key }) => key).join()]);
  // A canvas that has changed its size is empty.
  useLayoutEffect(() => playback.repaint());

  const columns = takes.length > 1 && cells.length > 1 ? cells.length : sides.length;
  return (
    <div class={`screening mode-${mode}`} style={{ "--columns": String(Math.max(1, columns)) }}>
      {reels.map(({ key, url }) => (
        <div key={key} class={isResult ? "frame" : "reel"} style={isResult ? ratioOf(first.review.cells.result) : {}}>
          <video
            ref={keep(videos.current, key)}
            src={url}
            muted={isMuted}
            playsInline
            preload="auto"
            aria-label={isResult ? texts.judge.region : undefined}
            aria-hidden={isResult ? undefined : true}
            style={isResult && !isFileShown(first, settings.value) ? cropTo(first.review) : {}}
            onClick={() => playback.toggle()}
          />
        </div>
      ))}
      {mode === "wipe" ? (
        <div class="stack">
          <div class="frame" style={ratioOf(sides[0]?.cut)}>
            {sides.map((side, index) => (
              <Picture
                key={`${index}`}
                side={side}
                canvases={canvases.current}
                names={names}
                style={index === 1 ? { clipPath: `inset(0 0 0 ${wipe}%)` } : {}}
              />
            ))}
            <Wipe settings={settings} names={names} />
          </div>
          <div class="row spread">
            {sides.map((side, index) => (
              <Caption key={`${index}`} settings={settings} side={side} name={pictureName(side, names)} />
            ))}
          </div>
        </div>
      ) : (
        sides.map((side) => (
          <div key={side.key} class="picture">
            <div class="frame" style={ratioOf(side.cut)} onClick={() => playback.toggle()}>
              <Picture side={side} canvases={canvases.current} names={names} style={{}} />
            </div>
            <Caption settings={settings} side={side} name={pictureName(side, names)} />
          </div>
        ))
      )}
      <Trouble playback={playback} onReload={open} />
    </div>
  );
}

interface PictureProps {
  side: ScreenSide;
  canvases: Map<string, HTMLCanvasElement>;
  names: readonly string[];
  style: Record<string, string>;
}

function Picture({ side, canvases, names, style }: PictureProps): JSX.Element {
  return (
    <canvas
      ref={keep(canvases, side.key)}
      width={side.cut.width}
      height={side.cut.height}
      role="img"
      aria-label={pictureName(side, names)}
      style={style}
    />
  );
}

function Wipe({ settings, names }: Pick<Props, "settings" | "names">): JSX.Element {
  const { wipe, left, right } = settings.value;
  return (
    <div class="wipe-bar">
      <input
        type="range"
        min="0"
        max="100"
        value={wipe}
        aria-label={texts.judge.wipe}
        aria-valuetext={texts.judge.wipeAt(wipe, pictureName(left, names), pictureName(right, names))}
        onInput={(event) => (settings.value = { ...settings.value, wipe: event.currentTarget.valueAsNumber })}
      />
      <div class="wipe-line" style={{ left: `${wipe}%` }} aria-hidden="true" />
    </div>
  );
}

function Trouble({ playback, onReload }: { playback: Playback; onReload: () => void }): JSX.Element | null {
  const { kind } = playback.transport.value;
  if (kind === "failed") {
    return (
      <div class="notice error" role="alert">
        <p>{texts.judge.failed}</p>
        <p class="hint">{texts.judge.failedHint}</p>
        <button type="button" class="button" onClick={onReload}>
          {texts.judge.reload}
        </button>
      </div>
    );
  }
  return kind === "loading" ? <p class="hint stage-note">{texts.judge.loading}</p> : null;
}

function keep<T>(map: Map<string, T>, key: string): (element: T | null) => void {
  return (element) => {
    if (element) {
      map.set(key, element);
    } else {
      map.delete(key);
    }
  };
}

function paint(
  sides: readonly ScreenSide[],
  images: readonly CanvasImageSource[],
  canvases: ReadonlyMap<string, HTMLCanvasElement>,
): void {
  for (const { key, reel, cut, overlay } of sides) {
    const context = canvases.get(key)?.getContext("2d");
    const image = images[reel];
    if (context && image) {
      draw(context, image, cut);
      if (overlay) {
        // The skeleton's ground is black.
        context.globalCompositeOperation = "screen";
        draw(context, image, overlay);
        context.globalCompositeOperation = "source-over";
      }
    }
  }
}

function draw(context: CanvasRenderingContext2D, image: CanvasImageSource, { x, y, width, height }: Cell): void {
  context.drawImage(image, x, y, width, height, 0, 0, context.canvas.width, context.canvas.height);
}

/** The page plays by itself unless its reader wants less motion, or the address names a frame. */
function startsByItself(): boolean {
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  return !isCalm && !new URLSearchParams(location.search).has("frame");
}

function ratioOf(cell: Cell | undefined): Record<string, string> {
  return { "--ratio": cell ? String(cell.width / cell.height) : "1" };
}

/** A file that no video element plays is shown as a part of its review, through a window. */
function cropTo(review: Review): Record<string, string> {
  const cell = review.cells.result;
  if (!cell) {
    return {};
  }
  const { width, height } = extent(review);
  return {
    position: "absolute",
    maxWidth: "none",
    width: `${(100 * width) / cell.width}%`,
    height: `${(100 * height) / cell.height}%`,
    left: `${(-100 * cell.x) / cell.width}%`,
    top: `${(-100 * cell.y) / cell.height}%`,
  };
}

function extent({ cells }: Review): { width: number; height: number } {
  const all = Object.values(cells);
  return {
    width: Math.max(...all.map(({ x, width }) => x + width)),
    height: Math.max(...all.map(({ y, height }) => y + height)),
  };
}
