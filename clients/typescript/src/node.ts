/** What Node.js has and browsers lack. */

import { ClientError } from "./errors.js";

/** Return a module of Node.js; bundlers for browsers follow an import, but not this call. */
export const builtin = ((name: string) => {
  if (typeof process === "undefined") {
    throw new ClientError("paths of files need Node.js; use a File or a Blob");
  }
  return process.getBuiltinModule(name);
}) as typeof process.getBuiltinModule;

/** Return a variable of the environment, unless it is absent or empty. */
export function environment(name: string): string | undefined {
  return typeof process === "undefined" ? undefined : process.env[name] || undefined;
}
