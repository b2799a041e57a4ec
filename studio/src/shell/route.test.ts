import { expect, test } from "vitest";
import { NO_FILTERS } from "../keep/filters.ts";
import { formatRoute, parseRoute, type Route } from "./route.ts";

const routes: Route[] = [
  { view: "make", job: null },
  { view: "make", job: "5f0c" },
  { view: "compare", jobs: ["a1", "b2", "c3"] },
  { view: "history", filters: NO_FILTERS },
  { view: "history", filters: { ...NO_FILTERS, state: "failed", text: "a & b" } },
];

test.each(routes)("route $view survives a reload", (route) => {
  expect(parseRoute(formatRoute(route))).toEqual(route);
});

test("an id that could lead elsewhere is ignored", () => {
  expect(parseRoute("?job=../keys")).toEqual({ view: "make", job: null });
  expect(parseRoute("?compare=<script>,a1")).toEqual({ view: "compare", jobs: ["a1"] });
});
