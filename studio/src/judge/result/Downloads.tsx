import type { JSX } from "preact";
import type { Job } from "tcan-client";
import { DEFAULT_PATTERN, fileName, TOKENS } from "../model/filename.ts";
import { setting } from "../../shell/settings.ts";
import { DownloadIcon } from "../../icons.tsx";
import { texts } from "../../texts.ts";

/** Suffix of each output but the result; the first that a job has is its main file. */
const SUFFIXES = {
  silent: "mp4",
  pose: "mp4",
  fit: "mp4",
  keypoints: "json",
  image_keypoints: "json",
  poster: "png",
  review: "mp4",
  manifest: "json",
} as const;

const REVOKED_AFTER_MS = 60_000;

const pattern = setting("pattern", DEFAULT_PATTERN, (value): value is string => typeof value === "string");

interface FileLink {
  label: string;
  format: string;
  href: string;
  name: string;
}

/** Return the files of a job that can be downloaded; the result is the first. */
export function filesOf(job: Job, named: string = pattern.value): FileLink[] {
  const resultSuffix = job.params.format ?? "mp4";
  const all = [["result", resultSuffix] as const, ...Object.entries(SUFFIXES)];
  return all.flatMap(([output, suffix]) => {
    const href = job.links[output as keyof typeof job.links];
    const label = texts.judge.files[output] ?? output;
    return href ? [{ label, format: suffix.toUpperCase(), href, name: fileName(named, job, output, suffix) }] : [];
  });
}

/**
 * Download a file under the name that the pattern gives.
 *
 * The service's answer has a name too, which browsers prefer for a link to it, but not for its content.
 */
async function download({ href, name }: FileLink): Promise<void> {
  const link = document.createElement("a");
  link.download = name;
  try {
    const response = await fetch(href);
    if (!response.ok) {
      throw new Error(response.statusText);
    }
    link.href = URL.createObjectURL(await response.blob());
  } catch {
    // Another server than the service may not let the page read it.
    link.href = href;
  }
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), REVOKED_AFTER_MS);
}

/** The button of a job's main file. */
export function DownloadButton({ job, label }: { job: Job; label?: string | undefined }): JSX.Element | null {
  const [file] = filesOf(job);
  return file ? (
    <button type="button" class="button primary" onClick={() => void download(file)}>
      <DownloadIcon /> {label ?? texts.judge.download}
    </button>
  ) : null;
}

/** All files of a job, and the pattern of their names. */
export function Downloads({ job }: { job: Job }): JSX.Element {
  const files = filesOf(job);
  const [first] = files;
  return (
    <details class="fold">
      <summary>{texts.judge.downloads}</summary>
      <div class="stack">
        <ul class="files">
          {files.map((file) => (
            <li key={file.label} class="row spread">
              <a
                class="row file"
                href={file.href}
                download={file.name}
                onClick={(event) => {
                  event.preventDefault();
                  void download(file);
                }}
              >
                <DownloadIcon /> {file.label}
              </a>
              <span class="hint">{file.format}</span>
            </li>
          ))}
        </ul>
        <div class="field">
          <label for="pattern">{texts.judge.pattern}</label>
          <input
            class="input"
            id="pattern"
            value={pattern.value}
            aria-describedby="pattern-hint"
            onInput={(event) => (pattern.value = event.currentTarget.value || DEFAULT_PATTERN)}
          />
          <p class="hint" id="pattern-hint">
            {texts.judge.patternHint(TOKENS)} {first ? texts.judge.example(first.name) : ""}
          </p>
        </div>
      </div>
    </details>
  );
}
