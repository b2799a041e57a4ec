/** Light and dark: as the system, or as chosen here. */

import { setting } from "./settings.ts";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

export const theme = setting<Theme>("theme", "auto", (value): value is Theme =>
  THEMES.some((known) => known === value),
);

/** Apply the theme to the document, now and at each change. */
export function followTheme(): void {
  theme.subscribe((now) => {
    document.documentElement.dataset.theme = now;
  });
}
