import type { JSX } from "preact";
import type { PosesStepProps } from "./index.ts";

/** The region "Poses". */
export function PosesStep(_props: PosesStepProps): JSX.Element | null {
  return null;
}
