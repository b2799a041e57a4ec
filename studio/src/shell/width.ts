/** Whether the page is too narrow for two columns, as in shell.css. */

import { signal } from "@preact/signals";

const narrow = matchMedia("(width < 56rem)");

export const isNarrow = signal(narrow.matches);

narrow.addEventListener("change", ({ matches }) => (isNarrow.value = matches));
