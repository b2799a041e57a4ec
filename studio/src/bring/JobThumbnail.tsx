import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Job } from "tcan-client";
import type { InputName } from "../api/index.ts";
import { FilmIcon, PictureIcon } from "../icons.tsx";

const CELLS = { picture: "source", driver: "driver" };

/** An input of a job as its review shows it in the first frame; the page has no file of it. */
export function JobThumbnail({ job, name }: { job: Job; name: InputName }): JSX.Element {
  const canvas = useRef<HTMLCanvasElement>(null);
  const review = job.links.review;
  const cell = job.review?.cells[CELLS[name]];
  useEffect(() => {
    if (!review || !cell) {
      return;
    }
    const video = document.createElement("video");
    video.muted = true;
    video.preload = "auto";
    video.onloadeddata = () => {
      const { x, y, width, height } = cell;
      canvas.current?.getContext("2d")?.drawImage(video, x, y, width, height, 0, 0, width, height);
    };
    video.src = review;
    return () => {
      video.onloadeddata = null;
      video.removeAttribute("src");
      video.load();
    };
  }, [review]);
  return cell ? (
    <canvas ref={canvas} width={cell.width} height={cell.height} aria-hidden="true" />
  ) : (
    <span class="input-empty">{name === "picture" ? <PictureIcon /> : <FilmIcon />}</span>
  );
}
