import type { Signal } from "@preact/signals";
import type { JSX } from "preact";
import { withOffset, type PlayerSettings } from "../model/settings.ts";
import type { Side } from "../model/sides.ts";
import { texts } from "../../texts.ts";

interface Props {
  settings: Signal<PlayerSettings>;
  side: Side;
  name: string;
}

/** A picture's name, and by how many frames it is ahead. */
export function Caption({ settings, side, name }: Props): JSX.Element {
  const { offset } = side;
  const set = (frames: number) => (settings.value = withOffset(settings.value, side, frames));
  return (
    <div class="caption">
      <span class="name caption-name" title={name}>
        {name}
      </span>
      <span class="offset" role="group" aria-label={texts.judge.offset(name)}>
        <button
          type="button"
          class="button quiet"
          aria-label={texts.judge.earlier(name)}
          onClick={() => set(offset - 1)}
        >
          −
        </button>
        <button
          type="button"
          class="button quiet num"
          aria-label={`${texts.judge.offsetBy(offset)}. ${texts.judge.noOffset(name)}`}
          onClick={() => set(0)}
        >
          {texts.judge.offsetBy(offset)}
        </button>
        <button type="button" class="button quiet" aria-label={texts.judge.later(name)} onClick={() => set(offset + 1)}>
          +
        </button>
      </span>
    </div>
  );
}
