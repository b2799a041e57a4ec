/** What a job is given of the edits. */

import type { ApprovedPoses } from "./index.ts";
import type { PoseDocument } from "./model/document.ts";
import { writePoseFile } from "./model/poseFile.ts";
import { isWhole, toSeconds } from "./model/trim.ts";
import { isEdited, type Edits } from "./state.ts";

/** Return what a job is given: what nobody changed is left to the service. */
export function approvedPoses({ picture, driver, trim }: Edits): ApprovedPoses {
  const { analysis, person, edited } = driver;
  return {
    ...(isEdited(picture) && { imagePose: poseFile("picture.json", picture.edited) }),
    // The file has one person; it is not chosen again.
    ...(isEdited(driver)
      ? { driving: poseFile("driving.json", edited) }
      : person !== null && { person }),
    ...(!isWhole(trim, edited.frames.length) && { trim: toSeconds(trim, analysis.fps) }),
  };
}

function poseFile(name: string, document: PoseDocument): File {
  return new File([writePoseFile(document)], name, { type: "application/json" });
}
