/** Results: watched in step, compared, downloaded. */

import type { Client, Job } from "tcan-client";

export interface ResultViewProps {
  /** One to four jobs that have succeeded. */
  jobs: Job[];
  client: Client;
  /** A job was made of one of these, such as by "again with another seed". */
  onSubmitted: (job: Job) => void;
  /** The parameters of this job shall be those of the next one. */
  onUseSettings: (job: Job) => void;
  /** The name or the notes of one of these were changed. */
  onChanged: (job: Job) => void;
}

export { ResultView } from "./ResultView.tsx";
