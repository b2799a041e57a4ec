import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { texts } from "../../texts.ts";
import type { Handle } from "../edit/personEditor.ts";
import { PoseEditor } from "../edit/PoseEditor.tsx";
import { confidences, editedFrames } from "../model/timeline.ts";
import { withDriver, withTrim, type Room } from "../room.ts";
import { isEdited, type Edits, type Film } from "../state.ts";
import { createClip, type Clip } from "./clip.ts";
import { KeyframeBar } from "./KeyframeBar.tsx";
import { PeopleChoice } from "./PeopleChoice.tsx";
import { Timeline, type Marks } from "./Timeline.tsx";
import { Transport, TrimText } from "./Transport.tsx";
import { TrimRail } from "./TrimRail.tsx";

interface DriverEditorProps {
  room: Room;
  edits: Edits;
}

/** The driving video with its skeleton over it, frame by frame, to be mended and trimmed. */
export function DriverEditor({ room, edits }: DriverEditorProps): JSX.Element {
  const { driver, trim } = edits;
  const numFrames = driver.edited.frames.length;
  const { fps } = driver.analysis;
  const trimNow = useRef(trim);
  trimNow.current = trim;
  const clip = useMemo(() => createClip(numFrames, fps, () => trimNow.current), [numFrames, fps]);
  const [picture, chosen] = [useSignal<HTMLVideoElement | null>(null), useSignal<Handle | null>(null)];
  const isBroken = useSignal(false);
  const frame = clip.frame.value;
  const marks = useMarks(edits);
  useEffect(() => clip.pause, [clip]);

  const { resetFrame, resetAll } = texts.poses.whole;
  const reset = () => room.edit(resetFrame, (now) => frameAsDetected(now, frame));
  const resetEach = () => room.edit(resetAll, (now) => withDriver(now, now.driver.detected));
  return (
    <section class="panel stack drive" aria-label={texts.poses.driver}>
      <h3>{texts.poses.driver}</h3>
      <PeopleChoice driver={driver} onChoose={(person) => void room.follow(person)} />
      {driver.film && (
        <FilmVideo
          film={driver.film}
          clip={clip}
          onShown={(element) => (picture.value = element)}
          onBroken={() => (isBroken.value = true)}
        />
      )}
      {(driver.film === null || isBroken.value) && <p class="hint">{texts.poses.videoMissing}</p>}
      <PoseEditor
        label={texts.poses.driverJoints(frame)}
        canvas={driver.edited.canvas}
        backdrop={picture.value && driver.film && { source: picture.value, crop: driver.film.crop }}
        painted={clip.painted.value}
        editor={room.driverEditor(frame)}
        shown={frame}
        isLocked={clip.isPlaying.value}
        onChoose={(handle) => (chosen.value = handle)}
        onAnnounce={room.say}
        resets={[
          { label: resetFrame, run: marks.edited.includes(frame) ? reset : null },
          { label: resetAll, run: isEdited(driver) ? resetEach : null },
        ]}
      >
        <Timeline frame={clip.wanted.value} trim={trim} marks={marks} onSeek={clip.seek} />
        <TrimRail
          trim={trim}
          numFrames={numFrames}
          fps={fps}
          onDraft={(next) => room.draft((now) => withTrim(now, next))}
          onDrop={() => room.drop(texts.poses.did.trim)}
          onCancel={room.cancel}
          onChange={(next, joins) => room.edit(texts.poses.did.trim, (now) => withTrim(now, next), joins)}
        />
        <div class="row spread">
          <Transport clip={clip} frame={frame} numFrames={numFrames} marks={marks} />
          <TrimText room={room} trim={trim} numFrames={numFrames} fps={fps} />
        </div>
        <KeyframeBar room={room} edits={edits} frame={frame} chosen={chosen.value} />
      </PoseEditor>
    </section>
  );
}

interface FilmVideoProps {
  film: Film;
  clip: Clip;
  /** Called with the video once it has pictures. */
  onShown: (video: HTMLVideoElement) => void;
  /** Called if it cannot be shown. */
  onBroken: () => void;
}

/** The video that is painted under the skeleton; it is not shown itself. */
function FilmVideo({ film, clip, onShown, onBroken }: FilmVideoProps): JSX.Element {
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => clip.attach(video.current as HTMLVideoElement), [clip, film]);
  return (
    <video
      ref={video}
      class="pose-film"
      src={film.address}
      muted
      playsInline
      preload="auto"
      aria-hidden="true"
      tabIndex={-1}
      onLoadedData={(event) => onShown(event.currentTarget)}
      onError={onBroken}
    />
  );
}

function useMarks({ driver, keyframes }: Edits): Marks {
  return useMemo(() => {
    const { detected, edited, analysis } = driver;
    const changed = editedFrames(detected, edited);
    return {
      confidence: confidences(edited, analysis.confidence, changed),
      repaired: analysis.repaired,
      outside: analysis.outside,
      edited: changed,
      keyframes,
    };
  }, [driver, keyframes]);
}

/** Return the edits with a frame of the driver as it was detected. */
function frameAsDetected(edits: Edits, frame: number): Edits {
  const { detected, edited } = edits.driver;
  const frames = edited.frames.map((people, index) => (index === frame ? (detected.frames[index] ?? people) : people));
  const isAll = frames.every((people, index) => people === detected.frames[index]);
  return withDriver(edits, isAll ? detected : { ...edited, frames });
}
