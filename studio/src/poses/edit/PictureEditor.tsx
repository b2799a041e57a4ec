import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { texts } from "../../texts.ts";
import { wholeRegion } from "../model/geometry.ts";
import { withPicture, type Room } from "../room.ts";
import { isEdited, type Edits } from "../state.ts";
import { PoseEditor } from "./PoseEditor.tsx";

interface PictureEditorProps {
  room: Room;
  edits: Edits;
  /** Address of the picture; null if it cannot be shown. */
  picture: string | null;
}

/** The editor of the picture's pose. */
export function PictureEditor({ room, edits, picture }: PictureEditorProps): JSX.Element {
  const { image, isMissing } = usePicture(picture);
  const words = texts.poses;
  const poses = edits.picture;
  const reset = () => room.edit(words.whole.reset, (now) => withPicture(now, now.picture.detected));
  return (
    <section class="panel stack" aria-label={words.picture}>
      <h3>{words.picture}</h3>
      {isMissing && <p class="hint">{words.pictureMissing}</p>}
      <PoseEditor
        label={words.pictureJoints}
        canvas={poses.edited.canvas}
        backdrop={image && { source: image, crop: wholeRegion({ width: image.naturalWidth, height: image.naturalHeight }) }}
        editor={room.pictureEditor()}
        shown="picture"
        onAnnounce={room.say}
        resets={[{ label: words.whole.reset, run: isEdited(poses) ? reset : null }]}
      />
    </section>
  );
}

/** Return the picture once it is loaded, and whether there is none to show. */
function usePicture(address: string | null): { image: HTMLImageElement | null; isMissing: boolean } {
  const [loaded, isBroken] = [useSignal<HTMLImageElement | null>(null), useSignal(false)];
  useEffect(() => {
    const image = new Image();
    image.onload = () => (loaded.value = image);
    image.onerror = () => (isBroken.value = true);
    if (address !== null) {
      image.src = address;
    }
    return () => {
      image.onload = image.onerror = null;
      loaded.value = null;
      isBroken.value = false;
    };
  }, [address]);
  return { image: loaded.value, isMissing: address === null || isBroken.value };
}
