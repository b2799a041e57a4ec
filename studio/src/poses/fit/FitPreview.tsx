import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { CheckIcon, WarningIcon } from "../../icons.tsx";
import { texts } from "../../texts.ts";
import type { Edits, Work } from "../state.ts";

interface FitPreviewProps {
  work: Work;
  /** Whether it shows the poses and the settings as they are now. */
  isCurrent: boolean;
  onApprove: () => void;
  onBack: () => void;
}

/** The skeletons in the picture's proportions, moving over the picture, to approve or to go back. */
export function FitPreview({ work, isCurrent, onApprove, onBack }: FitPreviewProps): JSX.Element {
  const approved = useSignal<Edits | null>(null);
  const { video, warnings } = work.fit;
  const isApproved = approved.value === work.history.present;
  const words = texts.poses;
  const hasMotion = !window.matchMedia("(prefers-reduced-motion: reduce)").matches;
  return (
    <section class="panel stack" aria-label={words.fit}>
      <h3>{words.fit}</h3>
      {video === null ? (
        <p class="hint">{words.noFit}</p>
      ) : (
        <video
          key={video}
          class="fit-video well"
          src={video}
          aria-label={words.fitVideo}
          autoplay={hasMotion}
          loop
          muted
          playsInline
          controls
        />
      )}
      {!isCurrent && <p class="notice">{words.fitOld}</p>}
      <Warnings warnings={warnings} />
      <div class="row">
        <button
          class="button primary"
          type="button"
          onClick={() => {
            approved.value = work.history.present;
            onApprove();
          }}
        >
          <CheckIcon />
          {words.approve}
        </button>
        <button class="button" type="button" onClick={onBack}>
          {words.back}
        </button>
      </div>
      <p role="status" class={isApproved ? "notice good" : "visually-hidden"}>
        {isApproved ? words.approved : ""}
      </p>
    </section>
  );
}

function Warnings({ warnings }: { warnings: readonly string[] }): JSX.Element {
  if (warnings.length === 0) {
    return <p class="hint">{texts.poses.noWarnings}</p>;
  }
  return (
    <div class="notice">
      <p class="row label">
        <WarningIcon />
        {texts.poses.warnings}
      </p>
      <ul>
        {warnings.map((warning) => (
          <li key={warning}>{warning}</li>
        ))}
      </ul>
    </div>
  );
}
