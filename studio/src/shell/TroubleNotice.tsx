import type { ComponentChildren, JSX } from "preact";
import type { Trouble } from "../api/index.ts";

interface Props {
  trouble: Trouble;
  /** Buttons that do what the text advises. */
  children?: ComponentChildren;
}

/** A refusal or failure: what is wrong, and what to do. It is read out when it appears. */
export function TroubleNotice({ trouble, children }: Props): JSX.Element {
  return (
    <div class="notice error" role="alert">
      <p>{trouble.detail}</p>
      <p class="hint">{trouble.next}</p>
      {children ? <div class="row">{children}</div> : null}
    </div>
  );
}
