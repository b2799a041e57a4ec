import type { JSX } from "preact";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";

/** Characters and motions of the project, for the first video. */
export function Examples(_props: { bench: Workbench }): JSX.Element {
  return <h2>{texts.examples.title}</h2>;
}
