import fc from "fast-check";
import { expect, test } from "vitest";
import { readProvenance } from "./provenance.ts";

test("a manifest says what the result was made of", () => {
  const found = readProvenance({
    preset: "mini",
    inputs: { sha256: { image: "aa", driving: "bb" } },
    provenance: { c2pa: { result: "embedded", poster: "turned off" }, watermark: null, unmarked: "too small" },
    model: { weights: { vae: "cc" }, versions: { tcan: "0.1.0" } },
    warnings: ["left out: cover art"],
  });
  expect(found).toMatchObject({
    preset: "mini",
    weights: [["vae", "cc"]],
    c2pa: [
      ["result", "embedded"],
      ["poster", "turned off"],
    ],
    watermark: undefined,
    unmarked: "too small",
    warnings: ["left out: cover art"],
  });
});

test("any JSON is read", () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      expect(readProvenance(JSON.parse(text)).weights).toBeInstanceOf(Array);
    }),
  );
});
