import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { FilmIcon, LinkIcon } from "../icons.tsx";
import { texts } from "../texts.ts";
import type { Source } from "./input.ts";

/** What an input shows, as far as this browser can show it. */
export function Thumbnail({ source, url }: { source: Source; url: string | null }): JSX.Element {
  const isBroken = useSignal(false);
  const fail = () => (isBroken.value = true);
  if (source.kind === "address" || url === null) {
    return (
      <span class="input-empty">
        <LinkIcon />
      </span>
    );
  }
  if (/\.(json|zip)$/i.test(source.file.name)) {
    return <span class="input-empty">{texts.bring.poseFile}</span>;
  }
  if (isBroken.value) {
    return (
      <span class="input-empty" title={texts.bring.noThumbnail}>
        <FilmIcon />
        <span class="visually-hidden">{texts.bring.noThumbnail}</span>
      </span>
    );
  }
  if (source.file.type.startsWith("image/")) {
    return <img src={url} alt="" onError={fail} />;
  }
  return (
    <video
      src={url}
      muted
      loop
      playsInline
      preload="auto"
      tabIndex={-1}
      aria-hidden="true"
      onError={fail}
      onMouseEnter={(event) => void event.currentTarget.play()}
      onMouseLeave={(event) => event.currentTarget.pause()}
    />
  );
}
