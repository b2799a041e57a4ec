import { expect, test } from "vitest";
import { readParameters, sortParameters, type OpenApiDocument } from "./parameters.ts";

const document: OpenApiDocument = {
  components: {
    schemas: {
      Sampler: { type: "string", enum: ["ddim", "lcm"] },
      JobParams: {
        properties: {
          trim: { anyOf: [{ $ref: "#/components/schemas/Trim" }, { type: "null" }] },
          fps: { anyOf: [{ type: "number", exclusiveMinimum: 0 }, { type: "null" }], description: "Frame rate." },
          scheduler: { anyOf: [{ $ref: "#/components/schemas/Sampler" }, { type: "null" }] },
          context_size: { type: "integer", minimum: 2, maximum: 64, description: "Frames in one window. Default: `16`." },
          audio: { type: "boolean", description: "Keep the sound. Default: `false`." },
          of_the_future: { type: "string", description: "New." },
        },
      },
    },
  },
};

const parameters = readParameters(document);
const named = (name: string) => parameters.find((parameter) => parameter.name === name);

test("limits, meaning and default come from the document", () => {
  expect(named("context_size")).toMatchObject({
    meaning: "Frames in one window.",
    initial: 16,
    control: { kind: "number", isWhole: true, min: 2, max: 64 },
  });
  expect(named("scheduler")?.control).toEqual({ kind: "choice", values: ["ddim", "lcm"] });
  expect(named("audio")).toMatchObject({ control: { kind: "switch" }, initial: false });
});

test("a parameter of a newer service is shown with its name in words", () => {
  expect(named("of_the_future")).toMatchObject({ label: "Of the future", control: { kind: "text" } });
});

test("parameters of pose files are shown only for a pose file", () => {
  const names = (hasPoseFile: boolean) => sortParameters(parameters, hasPoseFile)[1].map(({ name }) => name);
  expect(names(false)).not.toContain("fps");
  expect(names(true)).toContain("fps");
});
