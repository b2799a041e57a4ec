import type { JSX } from "preact";
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { percent } from "../../format.ts";
import { texts } from "../../texts.ts";
import type { Size } from "../model/document.ts";
import { within, type Region } from "../model/geometry.ts";
import type { DriverPoses, Film, FoundPerson } from "../state.ts";

interface PeopleChoiceProps {
  driver: DriverPoses;
  onChoose: (person: FoundPerson) => void;
}

// Pixels of a portrait, twice the CSS pixels, and the margin around a person as a share of its box.
const PORTRAIT: Size = { width: 72, height: 96 };
const MARGIN = 0.1;

/** The people of the driving video, one of whom the motion is taken from. */
export function PeopleChoice({ driver, onChoose }: PeopleChoiceProps): JSX.Element | null {
  const { film, detected, analysis } = driver;
  const [name, portraits] = [useId(), useRef<HTMLDivElement>(null)];
  useLayoutEffect(() => {
    if (film !== null && portraits.current !== null) {
      return paintPortraits([...portraits.current.querySelectorAll("canvas")], analysis.people, film, detected.canvas, analysis.fps);
    }
    return undefined;
  }, [film, detected, analysis]);
  if (analysis.people.length < 2) {
    return null;
  }
  return (
    <fieldset class="stack people">
      <legend class="label">{texts.poses.people}</legend>
      <div class="row" ref={portraits}>
        {analysis.people.map((person) => (
          <label key={person.number} class="segment">
            <input type="radio" name={name} checked={person.isFollowed} onChange={() => onChoose(person)} />
            <span>
              {film && <canvas {...PORTRAIT} aria-hidden="true" />}
              <span>
                {person.color && <span class="swatch" style={{ background: person.color }} />}
                {texts.poses.person(person.number + 1)}
                <br />
                <span class="hint">{texts.poses.personShare(percent(person.share))}</span>
              </span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  );
}

/** Paint each person from the frame in which it is seen best, one after the other. Returns the stop. */
function paintPortraits(
  canvases: readonly HTMLCanvasElement[],
  people: readonly FoundPerson[],
  film: Film,
  frame: Size,
  fps: number,
): () => void {
  const video = document.createElement("video");
  let next = 0;
  const seek = () => {
    const person = people[next];
    if (person !== undefined) {
      video.currentTime = (person.frame + 0.5) / fps;
    }
  };
  video.muted = true;
  video.preload = "auto";
  video.onloadeddata = seek;
  video.onseeked = () => {
    const [person, context] = [people[next], canvases[next]?.getContext("2d")];
    if (person && context) {
      const { crop } = film;
      const shown = within(portraitOf(person.box), frame, crop);
      const [across, down] = [PORTRAIT.width / shown.width, PORTRAIT.height / shown.height];
      context.setTransform(across, 0, 0, down, -shown.x * across, -shown.y * down);
      // The film has other pictures beside the driver's.
      context.drawImage(video, crop.x, crop.y, crop.width, crop.height, crop.x, crop.y, crop.width, crop.height);
    }
    next += 1;
    seek();
  };
  video.src = film.address;
  return () => {
    video.onloadeddata = video.onseeked = null;
    video.removeAttribute("src");
  };
}

/** Return the box of a person with a margin, in the aspect of a portrait. */
function portraitOf({ x, y, width, height }: Region): Region {
  const scale = (1 + 2 * MARGIN) * Math.max(width / PORTRAIT.width, height / PORTRAIT.height);
  const [wide, high] = [scale * PORTRAIT.width, scale * PORTRAIT.height];
  return { x: x + (width - wide) / 2, y: y + (height - high) / 2, width: wide, height: high };
}
