/** Inputs of a job as fields of a form. */

import { ClientError } from "./errors.js";
import { builtin } from "./node.js";

/**
 * An input of a job.
 *
 * A string is an http, https or data URL that the service reads, the id of an upload (32
 * hexadecimal digits), or on Node the path of a file.
 */
export type Input = string | URL | Blob | ArrayBuffer | Uint8Array;

const WEB_URL = /^(https?|data):/i;
const UPLOAD_ID = /^[0-9a-f]{32}$/;

/** Add an input to a form: as `name`, `name_url` or `name_upload`. */
export async function addInput(form: FormData, name: string, input: Input): Promise<void> {
  if (input instanceof URL && input.protocol !== "file:") {
    form.append(`${name}_url`, input.href);
  } else if (typeof input === "string" && WEB_URL.test(input)) {
    form.append(`${name}_url`, input);
  } else if (typeof input === "string" && UPLOAD_ID.test(input)) {
    form.append(`${name}_upload`, input);
  } else {
    form.append(name, ...named(await toBlob(input, name), name));
  }
}

/**
 * Return the content of a file.
 *
 * @param name What the file is for, in messages.
 */
export async function toBlob(input: Input, name: string): Promise<Blob> {
  if (input instanceof Blob) {
    return input;
  }
  if (typeof input !== "string" && !(input instanceof URL)) {
    return new Blob([input as BlobPart]);
  }
  const { openAsBlob } = builtin("node:fs");
  const { fileURLToPath } = builtin("node:url");
  try {
    return await openAsBlob(input instanceof URL ? fileURLToPath(input) : input);
  } catch (error) {
    throw new ClientError(`${name}: cannot read the file ${String(input)}`, { cause: error });
  }
}

function named(blob: Blob, name: string): [Blob, string] {
  return [blob, blob instanceof File ? blob.name : name];
}
