/** What the page shows, kept in the URL's query, so that a reload and a shared link show the same. */

import { signal } from "@preact/signals";
import { readFilters, writeFilters, type Filters } from "../keep/filters.ts";

export type Route =
  | { view: "make"; job: string | null }
  | { view: "compare"; jobs: string[] }
  | { view: "history"; filters: Filters };

const ID = /^[\w-]+$/;

/** Read a query such as `?job=ID`, `?compare=ID,ID` or `?view=history`; anything else is the empty Make view. */
export function parseRoute(search: string): Route {
  const query = new URLSearchParams(search);
  const compared = (query.get("compare") ?? "").split(",").filter((id) => ID.test(id));
  if (compared.length > 0) {
    return { view: "compare", jobs: compared };
  }
  if (query.get("view") === "history") {
    return { view: "history", filters: readFilters(query) };
  }
  const job = query.get("job") ?? "";
  return { view: "make", job: ID.test(job) ? job : null };
}

/** Return the query of a route; empty for the empty Make view. */
export function formatRoute(route: Route): string {
  switch (route.view) {
    case "make":
      return route.job === null ? "" : `?job=${route.job}`;
    case "compare":
      return `?compare=${route.jobs.join(",")}`;
    case "history":
      return `?${new URLSearchParams([["view", "history"], ...writeFilters(route.filters)])}`;
  }
}

export const route = signal<Route>(parseRoute(globalThis.location?.search ?? ""));

/** Show a route, as a new entry of the browser's history, or in place of the current one. */
export function navigate(to: Route, entry: "new" | "same" = "new"): void {
  route.value = to;
  const url = location.pathname + formatRoute(to);
  if (url !== location.pathname + location.search) {
    history[entry === "new" ? "pushState" : "replaceState"](null, "", url);
  }
}

/** Follow the browser's Back and Forward. */
export function followHistory(): void {
  window.addEventListener("popstate", () => {
    route.value = parseRoute(location.search);
  });
}
