/** The player's state and the videos that follow it. */

import { signal } from "@preact/signals";
import type { Screening } from "../model/screening.ts";
import { reduce, shownFrame, type Transport, type TransportAction } from "../model/transport.ts";
import { Projector } from "./projector.ts";
import { Reel } from "./reel.ts";

export type Paint = (images: readonly CanvasImageSource[]) => void;

export class Playback {
  readonly transport;
  private projector: Projector | undefined;
  private opening = new AbortController();
  private frames = 1;
  private loop = true;
  private speed = 1;
  private videos: readonly HTMLVideoElement[] = [];

  /** @param frame The frame that is shown first. */
  constructor(frame: number) {
    this.transport = signal<Transport>({ kind: "loading", target: frame });
  }

  /**
   * Show the same frame with other videos, and play on if it played.
   *
   * @param videos One for each reel of the screening.
   */
  open({ reels, frames }: Screening, videos: readonly HTMLVideoElement[], paint: Paint, isPlaying: boolean): void {
    this.close();
    this.frames = frames;
    this.videos = videos;
    this.opening = new AbortController();
    this.transport.value = { kind: "loading", target: Math.min(shownFrame(this.transport.value), frames - 1) };
    this.apply();
    const opened = reels.flatMap(({ rate }, index) => {
      const video = videos[index];
      return video ? [new Reel(video, rate)] : [];
    });
    const frameOf = (frame: number, index: number) => reels[index]?.frameOf(frame) ?? frame;
    void this.start(opened, frameOf, paint, isPlaying, this.opening.signal);
  }

  dispatch(action: TransportAction): void {
    const next = reduce(this.transport.value, action, { frames: this.frames, loop: this.loop });
    this.transport.value = next;
    if (action.kind === "play" && next.kind === "playing") {
      void this.projector?.play(next.frame);
    } else if (next.kind === "seeking" && action.kind !== "shown") {
      this.projector?.seek(next.target);
    }
  }

  toggle(): void {
    this.dispatch({ kind: this.transport.value.kind === "playing" ? "pause" : "play" });
  }

  /** Set how it plays. */
  set(speed: number, loop: boolean): void {
    this.speed = speed;
    this.loop = loop;
    this.apply();
  }

  /** Paint the frame on the screen again. */
  repaint(): void {
    this.projector?.repaint();
  }

  close(): void {
    this.opening.abort();
    this.projector?.close();
    this.projector = undefined;
  }

  private apply(): void {
    const [leader] = this.videos;
    if (leader) {
      leader.defaultPlaybackRate = this.speed;
      leader.playbackRate = this.speed;
      leader.loop = this.loop;
    }
  }

  private async start(
    reels: Reel[],
    frameOf: (frame: number, reel: number) => number,
    paint: Paint,
    isPlaying: boolean,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      await Promise.all(reels.map((reel) => reel.open()));
    } catch {
      if (!signal.aborted) {
        this.dispatch({ kind: "failed" });
      }
      return;
    }
    const [leader, ...others] = reels;
    if (signal.aborted || !leader) {
      return;
    }
    this.projector = new Projector([leader, ...others], frameOf, {
      paint,
      onShown: (frame) => this.dispatch({ kind: "shown", frame }),
      onSettled: (frame) => this.dispatch({ kind: "settled", frame }),
      onEnded: () => this.dispatch({ kind: "ended" }),
      onFailed: () => this.dispatch({ kind: "failed" }),
    });
    const frame = shownFrame(this.transport.value);
    this.transport.value = { kind: "seeking", frame, target: frame };
    this.projector.seek(frame);
    if (isPlaying) {
      this.dispatch({ kind: "play" });
    }
  }
}
