import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import examples from "../../../service/studio/examples/examples.json";
import { describeError, type Trouble } from "../api/index.ts";
import { PlayIcon } from "../icons.tsx";
import { TroubleNotice } from "../shell/TroubleNotice.tsx";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";

const FOLDER = "/studio/examples/";

type Example = (typeof examples.pictures)[number];

/** Characters and motions of the project: a click makes the first video. */
export function Examples({ bench }: { bench: Workbench }): JSX.Element {
  const motion = useSignal(examples.videos[0]!);
  const trouble = useSignal<Trouble | null>(null);

  const animate = async (character: Example, driver: Example) => {
    trouble.value = null;
    try {
      const [picture, video] = await Promise.all([readFile(character), readFile(driver)]);
      bench.inputs.picture.choose({ kind: "file", file: picture });
      bench.inputs.driver.choose({ kind: "file", file: video });
      await bench.animateWhenSent();
    } catch (error) {
      trouble.value = describeError(error);
    }
  };

  const chosen = motion.value;
  return (
    <section class="examples" aria-labelledby="examples-title">
      <div>
        <h2 id="examples-title">{texts.examples.title}</h2>
        <p class="hint">{texts.examples.hint}</p>
      </div>
      <fieldset class="row">
        <legend class="visually-hidden">{texts.examples.motion}</legend>
        <div class="motions">
          {examples.videos.map((video) => (
            <label class="motion" key={video.name}>
              <input
                class="visually-hidden"
                type="radio"
                name="motion"
                checked={chosen.name === video.name}
                onChange={() => (motion.value = video)}
              />
              <span>
                <MovingThumbnail url={FOLDER + video.file} isPlaying={chosen.name === video.name} />
                {video.title}
              </span>
            </label>
          ))}
        </div>
      </fieldset>
      <div class="characters">
        {examples.pictures.map((picture) => (
          <button
            class="character"
            type="button"
            key={picture.name}
            onClick={() => void animate(picture, chosen)}
          >
            <img src={FOLDER + picture.file} alt="" width="256" height="256" />
            <span>
              {picture.title} <PlayIcon />
            </span>
          </button>
        ))}
      </div>
      {trouble.value ? <TroubleNotice trouble={trouble.value} /> : null}
    </section>
  );
}

/** A video that plays while it is the chosen one, unless the person asked for less motion. */
function MovingThumbnail({ url, isPlaying }: { url: string; isPlaying: boolean }): JSX.Element {
  const mayMove = !matchMedia("(prefers-reduced-motion: reduce)").matches;
  return (
    <video
      src={url}
      muted
      loop
      playsInline
      preload="metadata"
      aria-hidden="true"
      tabIndex={-1}
      ref={(video) => {
        if (video && isPlaying && mayMove) {
          video.play().catch(() => undefined);
        } else {
          video?.pause();
        }
      }}
    />
  );
}

async function readFile({ file, title }: Example): Promise<File> {
  const response = await fetch(FOLDER + file);
  if (!response.ok) {
    throw new Error(texts.examples.failed);
  }
  const blob = await response.blob();
  return new File([blob], title + file.slice(file.lastIndexOf(".")), { type: blob.type });
}
