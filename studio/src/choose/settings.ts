/** What was chosen: it survives a reload. */

import type { JobParams } from "tcan-client";
import { setting } from "../shell/settings.ts";

/** Parameters by name, only those that differ from the service's defaults. */
export type Params = Record<string, string | number | boolean>;

/** Parameters of one's own, by name. */
export interface NamedParams {
  name: string;
  params: Params;
}

export const settings = {
  params: setting<Params>("params", {}, isParams),
  consent: setting("consent", "", (value): value is string => typeof value === "string"),
  own: setting<NamedParams[]>("own", [], (value): value is NamedParams[] => Array.isArray(value) && value.every(isNamed)),
};

/** Parameters that belong to one video, or to one run: they are never reused as settings. */
const OF_ONE_JOB = new Set(["trim", "person"]);

/** Return the parameters to send. */
export function requestParams(): JobParams {
  return settings.params.value as JobParams;
}

/** Return whether a declaration of consent is sent. */
export function wantsConsent(): boolean {
  return settings.consent.value.trim() !== "";
}

/** Change one parameter; undefined is the service's default. */
export function changeParam(name: string, value: Params[string] | undefined): void {
  const { [name]: _, ...others } = settings.params.value;
  settings.params.value = value === undefined ? others : { ...others, [name]: value };
}

/** Take over the parameters of a job, as the service returns them. */
export function useJobParams(params: object): void {
  settings.params.value = keepKnown(params);
}

/** Return the simple values of an object; absent ones and those of one job are left out. */
export function keepKnown(params: object): Params {
  const simple = Object.entries(params).filter(([name, value]) => isSimple(value) && !OF_ONE_JOB.has(name));
  return Object.fromEntries(simple) as Params;
}

function isSimple(value: unknown): value is Params[string] {
  return ["string", "number", "boolean"].includes(typeof value);
}

function isParams(value: unknown): value is Params {
  return typeof value === "object" && value !== null && !Array.isArray(value) && Object.values(value).every(isSimple);
}

function isNamed(value: unknown): value is NamedParams {
  return (
    typeof value === "object" &&
    value !== null &&
    "name" in value &&
    typeof value.name === "string" &&
    "params" in value &&
    isParams(value.params)
  );
}
