import type { JSX } from "preact";
import type { HistoryViewProps } from "./index.ts";

/** The region "History". */
export function HistoryView(_props: HistoryViewProps): JSX.Element {
  return <section class="panel" aria-label="History" />;
}
