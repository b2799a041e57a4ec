import type { JSX } from "preact";
import { FilmIcon, LinkIcon, PictureIcon } from "../icons.tsx";
import { texts } from "../texts.ts";
import type { Source } from "./input.ts";

interface Props {
  source: Source;
  /** Null for what is elsewhere. */
  url: string | null;
  isBroken: boolean;
  /** Called when this browser cannot show it. */
  onBroken: () => void;
}

/** What an input shows, as far as this browser can show it. */
export function Thumbnail({ source, url, isBroken, onBroken }: Props): JSX.Element {
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
  if (isBroken) {
    return <span class="input-empty">{isPicture(source.file) ? <PictureIcon /> : <FilmIcon />}</span>;
  }
  if (isPicture(source.file)) {
    return <img src={url} alt="" onError={onBroken} />;
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
      onError={onBroken}
      onMouseEnter={(event) => void event.currentTarget.play().catch(() => undefined)}
      onMouseLeave={(event) => event.currentTarget.pause()}
    />
  );
}

function isPicture(file: File): boolean {
  return file.type.startsWith("image/");
}
