/** What a result says of its making: a claim that anybody may have written, which is not checked here. */

import { decodeCbor } from "./cbor.ts";

export interface Statement {
  /** Id of the job. */
  job: string;
  params: object;
}

/** The C2PA assertion of this service. */
const LABEL = "org.tcan.generation";
// The manifest of a video is before its frames; nothing else is read of a large file.
const READ_BYTES = 8 * 1024 * 1024;
const MAX_BOX_BYTES = 256 * 1024;

/** Return the statement in a result's C2PA manifest, or in a `manifest.json`; null for any other file. */
export async function readStatement(file: File): Promise<Statement | null> {
  try {
    const bytes = new Uint8Array(await file.slice(0, READ_BYTES).arrayBuffer());
    const content: unknown = file.name.endsWith(".json")
      ? JSON.parse(new TextDecoder().decode(bytes))
      : decodeCbor(findBox(bytes));
    return isStatement(content) ? { job: content.job, params: content.params } : null;
  } catch {
    return null;
  }
}

/** Return the content of the box `cbor` behind the label; its length is in front of its name. */
function findBox(bytes: Uint8Array): Uint8Array {
  // One character for each byte.
  const text = new TextDecoder("latin1").decode(bytes);
  const label = text.indexOf(`${LABEL}\0`);
  const name = text.indexOf("cbor", label);
  if (label < 0 || name < 0) {
    throw new Error("no statement");
  }
  const size = new DataView(bytes.buffer).getUint32(name - 4);
  return bytes.subarray(name + 4, name - 4 + Math.min(size, MAX_BOX_BYTES));
}

function isStatement(content: unknown): content is Statement {
  return (
    typeof content === "object" &&
    content !== null &&
    "job" in content &&
    typeof content.job === "string" &&
    /^[\w-]+$/.test(content.job) &&
    "params" in content &&
    typeof content.params === "object" &&
    content.params !== null
  );
}
