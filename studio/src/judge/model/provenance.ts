/** What the service says about the origin of a result, read from its manifest. */

export interface Provenance {
  readonly preset: string | undefined;
  /** SHA-256 by part of the model, and by input. */
  readonly weights: readonly [string, string][];
  readonly inputs: readonly [string, string][];
  readonly versions: readonly [string, string][];
  /** `embedded`, or why not, by file. */
  readonly c2pa: readonly [string, string][];
  /** Payload of the watermark, or undefined with the reason. */
  readonly watermark: string | undefined;
  readonly unmarked: string | undefined;
  readonly consent: string | undefined;
  readonly warnings: readonly string[];
  readonly seconds: readonly [string, string][];
}

/** Read a manifest. What an older or newer service writes otherwise is left out. */
export function readProvenance(manifest: unknown): Provenance {
  const model = at(manifest, "model");
  const provenance = at(manifest, "provenance");
  return {
    preset: text(at(manifest, "preset")),
    weights: texts(at(model, "weights")),
    inputs: texts(at(at(manifest, "inputs"), "sha256")),
    versions: texts(at(model, "versions")),
    c2pa: texts(at(provenance, "c2pa")),
    watermark: text(at(provenance, "watermark")),
    unmarked: text(at(provenance, "unmarked")),
    consent: text(at(at(manifest, "consent"), "declared")),
    warnings: entries(at(manifest, "warnings")).flatMap(([, value]) => text(value) ?? []),
    seconds: texts(at(manifest, "seconds")),
  };
}

function at(value: unknown, name: string): unknown {
  return entries(value).find(([key]) => key === name)?.[1];
}

function entries(value: unknown): [string, unknown][] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === "string" || typeof value === "number" ? String(value) : undefined;
}

function texts(value: unknown): [string, string][] {
  return entries(value).flatMap(([name, each]): [string, string][] => {
    const found = text(each);
    return found === undefined ? [] : [[name, found]];
  });
}
