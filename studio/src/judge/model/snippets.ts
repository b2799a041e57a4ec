/** A job as code that makes it again: for a shell, and for the Python and TypeScript clients. */

import type { Job } from "tcan-client";

export const LANGUAGES = ["curl", "python", "typescript"] as const;
export type Language = (typeof LANGUAGES)[number];

export interface SnippetOptions {
  /** URL of the service. */
  readonly url: string;
  /** Whether the inputs are the stored ones of the job, or files beside the code. */
  readonly inputs: "stored" | "files";
  /** Whether the service asks for a key, which the code reads from TCAN_API_KEY. */
  readonly needsKey: boolean;
}

const PICTURE = "picture.png";
const DRIVING = "driving.mp4";

type Json = string | number | boolean | null | Json[] | { [name: string]: Json };

export function snippet(language: Language, job: Job, options: SnippetOptions): string {
  const lines = { curl, python, typescript }[language](job, options);
  return `${lines.join("\n")}\n`;
}

/** What is sent: the seed alone for stored inputs, whose parameters stay; else all that is set. */
function sentParams(job: Job, { inputs }: SnippetOptions): { [name: string]: Json } {
  if (inputs === "stored") {
    return job.kind === "animate" ? { seed: job.params.seed ?? null } : {};
  }
  return withoutNulls(job.params);
}

/** Options that decide whether the job is accepted, and those that name it. */
function sentOptions(job: Job, { inputs }: SnippetOptions): { [name: string]: Json } {
  const { consent, metadata } = job.options;
  if (inputs === "stored") {
    return {};
  }
  return { ...(consent ? { consent } : {}), ...(metadata && Object.keys(metadata).length ? { metadata } : {}) };
}

function output(job: Job): { name: string; file: string } {
  return job.kind === "poses"
    ? { name: "pose", file: "pose.mp4" }
    : { name: "result", file: `result.${job.params.format ?? "mp4"}` };
}

function curl(job: Job, options: SnippetOptions): string[] {
  const { name, file } = output(job);
  const key = options.needsKey ? ` -H "Authorization: Bearer $TCAN_API_KEY"` : "";
  const sent = { params: sentParams(job, options), options: sentOptions(job, options) };
  const body = JSON.stringify(isEmpty(sent.options) ? { params: sent.params } : sent);
  const fields = [
    ...(job.kind === "animate" ? [`-F image=@${PICTURE}`] : []),
    `-F driving=@${DRIVING}`,
    `-F params=${shellQuote(JSON.stringify(sent.params))}`,
    ...(isEmpty(sent.options) ? [] : [`-F options=${shellQuote(JSON.stringify(sent.options))}`]),
  ];
  const submit =
    options.inputs === "stored"
      ? `-H 'Content-Type: application/json' -d ${shellQuote(body)} "$url/jobs/${job.id}/retry"`
      : `${fields.join(" ")} "$url/${job.kind}"`;
  return [
    `url=${options.url}`,
    `location=$(curl -sS --fail-with-body -o /dev/stderr -w '%header{location}'${key} ${submit})`,
    `path=/jobs/\${location##*/}`,
    `curl -sS -N${key} "$url$path/events" > /dev/null  # ends with the job`,
    `curl -sS --fail-with-body -L -o ${file}${key} "$url$path/${name}"`,
  ];
}

function python(job: Job, options: SnippetOptions): string[] {
  const { name, file } = output(job);
  const params = pythonLiteral(sentParams(job, options));
  const chosen = sentOptions(job, options);
  const given = isEmpty(chosen) ? "" : `, options=${pythonLiteral(chosen)}`;
  const submit = {
    stored: `client.retry(${quote(job.id)}, ${params})`,
    files:
      job.kind === "animate"
        ? `client.submit(${quote(PICTURE)}, ${quote(DRIVING)}, ${params}${given})`
        : `client.poses(${quote(DRIVING)}, ${params}${given})`,
  }[options.inputs];
  return [
    "from tcan_client import Client",
    "",
    ...(options.needsKey ? ["# The key is read from TCAN_API_KEY."] : []),
    `with Client(${quote(options.url)}) as client:`,
    `    job = ${submit}`,
    "    client.wait(job.id)",
    `    client.download(job.id, ${quote(file)}, ${quote(name)})`,
  ];
}

function typescript(job: Job, options: SnippetOptions): string[] {
  const { name, file } = output(job);
  const chosen = sentOptions(job, options);
  const settings = JSON.stringify({
    params: sentParams(job, options),
    ...(isEmpty(chosen) ? {} : { options: chosen }),
  });
  const submit = {
    stored: `client.retry(${quote(job.id)}, ${settings})`,
    files:
      job.kind === "animate"
        ? `client.submit(${quote(PICTURE)}, ${quote(DRIVING)}, ${settings})`
        : `client.poses(${quote(DRIVING)}, ${settings})`,
  }[options.inputs];
  return [
    'import { Client } from "tcan-client";',
    "",
    ...(options.needsKey ? ["// The key is read from TCAN_API_KEY."] : []),
    `const client = new Client({ url: ${quote(options.url)} });`,
    `const { id } = await ${submit};`,
    "await client.wait(id);",
    `await client.download(id, ${quote(file)}, ${quote(name)});`,
  ];
}

function isEmpty(value: object): boolean {
  return Object.keys(value).length === 0;
}

function withoutNulls(value: object): { [name: string]: Json } {
  const kept = Object.entries(value).filter(([, entry]) => entry !== null && entry !== undefined);
  return Object.fromEntries(
    kept.map(([name, entry]: [string, Json]) => [name, isRecord(entry) ? withoutNulls(entry) : entry]),
  );
}

function isRecord(value: Json): value is { [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** JSON strings are also strings of Python and TypeScript. */
function quote(text: string): string {
  return JSON.stringify(text);
}

function pythonLiteral(value: Json): string {
  if (Array.isArray(value)) {
    return `[${value.map(pythonLiteral).join(", ")}]`;
  }
  if (isRecord(value)) {
    return `{${Object.entries(value)
      .map(([name, each]) => `${quote(name)}: ${pythonLiteral(each)}`)
      .join(", ")}}`;
  }
  return value === null ? "None" : value === true ? "True" : value === false ? "False" : JSON.stringify(value);
}

/** Quote a text for a POSIX shell. */
function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
