/** Previews: a job of the service that finds the poses, and what it found. */

import type { Client, components, Job, JobParams, Output, PosesParams } from "tcan-client";
import { readAnalysis } from "./analysis.ts";
import type { ApprovedPoses, RoomProps } from "./index.ts";
import { fitted } from "./model/geometry.ts";
import { readPoseFile } from "./model/poseFile.ts";
import type { Size } from "./model/document.ts";
import type { Film, Fit, Found } from "./state.ts";

type Schemas = components["schemas"];

/** What a preview is made of. */
export type Inputs = Pick<RoomProps, "picture" | "driver" | "uploads">;

/** The preview's job failed or was canceled; the job says why. */
export class PreviewEndedError extends Error {
  constructor(readonly job: Job) {
    super(job.error?.detail ?? job.status);
  }
}

/**
 * Make a preview and wait for its end.
 *
 * @throws ProblemError The service refused it.
 * @throws PreviewEndedError It failed or was canceled.
 */
export async function runPreview(
  client: Client,
  { picture, driver, uploads }: Inputs,
  { imagePose, driving, trim, person }: ApprovedPoses,
  settings: PosesParams,
  onProgress: (share: number) => void,
  signal: AbortSignal,
): Promise<Job> {
  const params = { ...settings, ...(trim && { trim }), ...(person !== undefined && { person }) };
  const { id } = await client.poses(driving ?? uploads?.driver ?? driver, {
    image: uploads?.picture ?? picture,
    ...(imagePose && { imagePose }),
    params,
    signal,
  });
  const job = await client.wait(id, { onUpdate: (now) => onProgress(now.progress.fraction), signal });
  if (job.status !== "succeeded") {
    throw new PreviewEndedError(job);
  }
  return job;
}

// What decides which poses are found and how they are placed, and what is said of a driving pose file.
const OF_POSES = ["preset", "any_subject", "retarget", "root_motion"] as const;
const OF_POSE_FILE = ["layout", "canvas", "fps"] as const;

/**
 * Return the settings of a job that its preview has too.
 *
 * @param isOwnFile Whether the driving file is one of this page, which says all of itself.
 */
export function posesParams(params: JobParams, isOwnFile: boolean): PosesParams {
  const names = isOwnFile ? OF_POSES : [...OF_POSES, ...OF_POSE_FILE];
  return Object.fromEntries(names.flatMap((name) => (params[name] === undefined ? [] : [[name, params[name]]])));
}

/** Return the fit that a preview shows. */
export function readFit({ links, warnings }: Job): Pick<Fit, "video" | "warnings"> {
  return { video: links.fit ?? null, warnings };
}

/**
 * Read what a preview found.
 *
 * @throws PoseFileError A pose file of the service cannot be read.
 */
export async function readPreview(
  client: Client,
  job: Job,
  signal: AbortSignal,
): Promise<Omit<Found, "person" | "fit">> {
  const read = async (output: Output) => (await client.output(job.id, output, { signal })).text();
  const [driver, picture, analysis] = await Promise.all([
    read("keypoints").then(readPoseFile),
    read("image_keypoints").then(readPoseFile),
    read("analysis").then((text) => JSON.parse(text) as Schemas["Analysis"]),
  ]);
  const film = job.links.review && job.review ? filmOf(job.links.review, job.review, driver.canvas) : null;
  return { driver, picture, analysis: readAnalysis(analysis), film };
}

/** Return where the driver's frames are in the review: its cell without the bars beside them. */
function filmOf(address: string, review: Schemas["Review"], frame: Size): Film | null {
  const cell = review.cells["driver"];
  return cell ? { address, crop: fitted(frame, cell) } : null;
}
