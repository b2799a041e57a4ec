/** The parameters of a job, read from the service's OpenAPI document. Pure. */

import { texts } from "../texts.ts";

export interface Parameter {
  name: string;
  label: string;
  /** What it does, as the service describes it. */
  meaning: string;
  control: Control;
  /** The service's default, where the document states it. */
  initial: string | number | boolean | null;
}

export type Control =
  | { kind: "number"; isWhole: boolean; min: number | null; max: number | null }
  | { kind: "choice"; values: string[] }
  | { kind: "switch" }
  | { kind: "text" };

interface Schema {
  type?: string;
  $ref?: string;
  anyOf?: Schema[];
  enum?: string[];
  properties?: Record<string, Schema>;
  description?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

export interface OpenApiDocument {
  components: { schemas: Record<string, Schema> };
}

/** Those that most people change; the others are folded away. */
const FEW = ["seed", "num_inference_steps", "guidance_scale", "format", "audio"];
/** Of pose files alone. */
const OF_POSE_FILES = ["layout", "canvas", "fps"];
/** Chosen elsewhere: the preset in a list of its own, the others in the region "Poses". */
const ELSEWHERE = new Set(["preset", "trim", "person"]);

/** Return the parameters of an animation in the document's order. */
export function readParameters(document: OpenApiDocument): Parameter[] {
  const schemas = document.components.schemas;
  const properties = Object.entries(schemas.JobParams?.properties ?? {});
  return properties.flatMap(([name, schema]) => {
    const control = ELSEWHERE.has(name) ? null : controlOf(schema, schemas);
    if (control === null) {
      return [];
    }
    const [meaning, initial] = splitDefault(schema.description ?? "");
    return [{ name, label: texts.choose.labels[name] ?? spell(name), meaning, control, initial }];
  });
}

/** Return those that are shown at once, and those that are folded away. */
export function sortParameters(parameters: Parameter[], hasPoseFile: boolean): [Parameter[], Parameter[]] {
  const shown = FEW.flatMap((name) => parameters.filter((parameter) => parameter.name === name));
  const folded = parameters.filter(
    ({ name }) => !FEW.includes(name) && (hasPoseFile || !OF_POSE_FILES.includes(name)),
  );
  return [shown, folded];
}

function controlOf(schema: Schema, schemas: Record<string, Schema>): Control | null {
  const chosen = schema.anyOf?.find((option) => option.type !== "null") ?? schema;
  const target = chosen.$ref ? schemas[chosen.$ref.replace("#/components/schemas/", "")] : chosen;
  if (target?.enum) {
    return { kind: "choice", values: target.enum };
  }
  switch (target?.type) {
    case "integer":
    case "number": {
      const min = target.minimum ?? target.exclusiveMinimum ?? null;
      return { kind: "number", isWhole: target.type === "integer", min, max: target.maximum ?? null };
    }
    case "boolean":
      return { kind: "switch" };
    case "string":
      return { kind: "text" };
    default:
      return null;
  }
}

/** Descriptions end with their default, such as: Default: `16`. */
function splitDefault(description: string): [string, Parameter["initial"]] {
  const found = /\s*Default: `([^`]+)`\.$/.exec(description);
  if (found === null) {
    return [description, null];
  }
  return [description.slice(0, found.index), JSON.parse(found[1] ?? "null") as Parameter["initial"]];
}

function spell(name: string): string {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}
