/** Several videos in step: the pictures change together, when every video shows its frame. */

import type { Reel } from "./reel.ts";

export interface Listener {
  /** Paint all pictures from these images, one for each reel. */
  paint: (images: CanvasImageSource[]) => void;
  onShown: (frame: number) => void;
  onSettled: (frame: number) => void;
  onEnded: () => void;
  onFailed: (error: unknown) => void;
}

/**
 * The first reel leads: it plays as browsers play. The others seek to its frames one by one, so they
 * skip frames rather than show another one than it does.
 */
export class Projector {
  private target: number | undefined;
  private serving: Promise<void> | undefined;
  private playing: AbortController | undefined;
  private following: Promise<void> | undefined;
  private readonly held = document.createElement("canvas");
  private readonly closing = new AbortController();

  /**
   * @param reels The leader and those that follow it; opened.
   * @param frameOf Returns the frame of a reel, by its index, at a frame of the leader.
   */
  constructor(
    private readonly reels: readonly [Reel, ...Reel[]],
    private readonly frameOf: (frame: number, reel: number) => number,
    private readonly listener: Listener,
  ) {
    const { signal } = this.closing;
    this.leader.video.addEventListener("ended", () => this.end(), { signal });
    // Frames are not painted while the page is hidden.
    document.addEventListener("visibilitychange", () => this.repaint(), { signal });
  }

  /** Show a frame; a later call replaces one that has not been served. */
  seek(frame: number): void {
    this.stop();
    this.target = frame;
    this.serving ??= this.serve()
      .catch((error: unknown) => this.listener.onFailed(error))
      .finally(() => (this.serving = undefined));
  }

  /** Play from a frame on, at the speed and in the loop that are set on the leader. */
  async play(frame: number): Promise<void> {
    this.stop();
    this.target = undefined;
    const playing = new AbortController();
    this.playing = playing;
    try {
      await this.serving;
      await this.leader.show(this.frameOf(frame, 0));
      if (!playing.signal.aborted) {
        await this.leader.play((shown) => this.lead(shown), playing.signal);
      }
    } catch (error) {
      // A pause rejects the promise of play().
      if (!playing.signal.aborted) {
        this.listener.onFailed(error);
      }
    }
  }

  /** Paint the frame on the screen again, such as into other pictures. */
  repaint(): void {
    if (!this.playing && !this.serving) {
      this.listener.paint(this.reels.map(({ video }) => video));
    }
  }

  close(): void {
    this.closing.abort();
    this.stop();
  }

  private get leader(): Reel {
    return this.reels[0];
  }

  private stop(): void {
    this.playing?.abort();
    this.playing = undefined;
  }

  private end(): void {
    this.stop();
    this.listener.onEnded();
  }

  private async serve(): Promise<void> {
    while (this.target !== undefined) {
      const { target } = this;
      await this.following;
      const [frame] = await this.showAll(target);
      if (this.closing.signal.aborted) {
        return;
      }
      this.listener.paint(this.reels.map(({ video }) => video));
      if (this.target === target) {
        this.target = undefined;
        this.listener.onSettled(frame ?? target);
      } else {
        this.listener.onShown(frame ?? target);
      }
    }
  }

  private showAll(frame: number): Promise<number[]> {
    return Promise.all(this.reels.map((reel, index) => reel.show(this.frameOf(frame, index))));
  }

  /** Serve a frame of the playing leader, unless the others still seek to one before. */
  private lead(frame: number): void {
    if (this.reels.length === 1) {
      this.listener.paint([this.leader.video]);
      this.listener.onShown(frame);
    } else if (!this.following) {
      this.following = this.follow(frame)
        .catch((error: unknown) => this.listener.onFailed(error))
        .finally(() => (this.following = undefined));
    }
  }

  private async follow(frame: number): Promise<void> {
    const { video } = this.leader;
    // The leader goes on while the others seek.
    this.held.width = video.videoWidth;
    this.held.height = video.videoHeight;
    this.held.getContext("2d")?.drawImage(video, 0, 0);
    const followers = this.reels.slice(1);
    await Promise.all(followers.map((reel, index) => reel.show(this.frameOf(frame, index + 1))));
    if (!this.closing.signal.aborted) {
      this.listener.paint([this.held, ...followers.map((reel) => reel.video)]);
      this.listener.onShown(frame);
    }
  }
}
