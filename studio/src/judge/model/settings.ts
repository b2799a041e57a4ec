/** What the player shows and how, and its place in the address of the page: a link shows the same. */

import { CELLS, type CellName, type Side } from "./sides.ts";
import { SPEEDS } from "./transport.ts";

export const MODES = ["result", "side", "wipe", "single"] as const;
export type Mode = (typeof MODES)[number];

/** A picture that can be shown: a cell of one of the jobs. */
export interface Picture {
  readonly job: number;
  readonly cell: CellName;
}

export interface PlayerSettings {
  readonly mode: Mode;
  /** Cells that are shown side by side, of every job. */
  readonly cells: readonly CellName[];
  /** The pictures of a wipe; the right one is that of a single view. */
  readonly left: Picture;
  readonly right: Picture;
  /** Part of the left picture in a wipe, in percent. */
  readonly wipe: number;
  /** Frames by which a picture is ahead, by its key; 0 when absent. */
  readonly offsets: Readonly<Record<string, number>>;
  readonly speed: number;
  readonly loop: boolean;
  /** Whether the skeleton is drawn over the result. */
  readonly skeleton: boolean;
}

export const MAX_OFFSET = 99;

export function keyOf({ job, cell }: Picture): string {
  return `${job}.${cell}`;
}

/** Return the settings with which so many jobs are shown at first. */
export function defaultSettings(jobs: number): PlayerSettings {
  const isAlone = jobs < 2;
  return {
    mode: isAlone ? "result" : "side",
    cells: isAlone ? CELLS : ["result"],
    left: { job: 0, cell: isAlone ? "source" : "result" },
    right: { job: isAlone ? 0 : 1, cell: "result" },
    wipe: 50,
    offsets: {},
    speed: 1,
    loop: true,
    skeleton: false,
  };
}

/** Return the pictures that are on the stage, from left to right. */
export function sidesOf(settings: PlayerSettings, jobs: number): Side[] {
  return picturesOf(settings, jobs).map((picture) => ({ ...picture, offset: settings.offsets[keyOf(picture)] ?? 0 }));
}

function picturesOf({ mode, cells, left, right }: PlayerSettings, jobs: number): Picture[] {
  switch (mode) {
    case "result":
      return [];
    case "wipe":
      return [left, right];
    case "single":
      return [right];
    case "side":
      return [...Array(jobs).keys()].flatMap((job) => cells.map((cell) => ({ job, cell })));
  }
}

/** Return the settings with this offset of a picture. */
export function withOffset(settings: PlayerSettings, picture: Picture, offset: number): PlayerSettings {
  const { [keyOf(picture)]: _, ...others } = settings.offsets;
  const bounded = Math.max(-MAX_OFFSET, Math.min(offset, MAX_OFFSET));
  return { ...settings, offsets: bounded === 0 ? others : { ...others, [keyOf(picture)]: bounded } };
}

/** Return the settings in a query of the page's address; what is absent or wrong there has its default. */
export function readSettings(query: URLSearchParams, jobs: number): PlayerSettings {
  const usual = defaultSettings(jobs);
  const cells = CELLS.filter((cell) => query.get("cells")?.split(",").includes(cell));
  const mode = MODES.find((name) => name === query.get("mode")) ?? usual.mode;
  return {
    mode: mode === "result" && jobs > 1 ? usual.mode : mode,
    cells: cells.length > 0 ? cells : usual.cells,
    left: readPicture(query.get("left"), jobs) ?? usual.left,
    right: readPicture(query.get("right"), jobs) ?? usual.right,
    wipe: readNumber(query.get("wipe"), 0, 100) ?? usual.wipe,
    offsets: readOffsets(query.get("offset"), jobs),
    speed: SPEEDS.find((speed) => String(speed) === query.get("speed")) ?? usual.speed,
    loop: query.get("loop") !== "0",
    skeleton: query.get("skeleton") === "1",
  };
}

/** Write the settings into a query. What has its default is left out. */
export function writeSettings(query: URLSearchParams, settings: PlayerSettings, jobs: number): void {
  const usual = asTexts(defaultSettings(jobs));
  for (const [name, text] of Object.entries(asTexts(settings))) {
    if (text === usual[name]) {
      query.delete(name);
    } else {
      query.set(name, text);
    }
  }
}

/** Return the frame in a query; 0 when it has none. */
export function readFrame(query: URLSearchParams): number {
  return readNumber(query.get("frame"), 0, Number.MAX_SAFE_INTEGER) ?? 0;
}

function asTexts(settings: PlayerSettings): Record<string, string> {
  const offsets = Object.entries(settings.offsets).map(([key, offset]) => `${key}:${offset}`);
  return {
    mode: settings.mode,
    cells: settings.cells.join(),
    left: keyOf(settings.left),
    right: keyOf(settings.right),
    wipe: String(settings.wipe),
    offset: offsets.sort().join(),
    speed: String(settings.speed),
    loop: settings.loop ? "1" : "0",
    skeleton: settings.skeleton ? "1" : "0",
  };
}

function readNumber(text: string | null, least: number, most: number): number | undefined {
  const number = text !== null && /^-?\d+$/.test(text) ? Number(text) : NaN;
  return number >= least && number <= most ? number : undefined;
}

function readPicture(text: string | null, jobs: number): Picture | undefined {
  const [job = "", name] = text?.split(".") ?? [];
  const index = readNumber(job, 0, jobs - 1);
  const cell = CELLS.find((candidate) => candidate === name);
  return index === undefined || cell === undefined ? undefined : { job: index, cell };
}

function readOffsets(text: string | null, jobs: number): Record<string, number> {
  const offsets: Record<string, number> = {};
  for (const part of text?.split(",") ?? []) {
    const [key = "", number = ""] = part.split(":");
    const picture = readPicture(key, jobs);
    const offset = readNumber(number, -MAX_OFFSET, MAX_OFFSET);
    if (picture && offset) {
      offsets[keyOf(picture)] = offset;
    }
  }
  return offsets;
}
