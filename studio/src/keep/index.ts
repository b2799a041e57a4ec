/** The history of jobs. */

import type { Client, Job } from "tcan-client";
import type { Filters } from "./filters.ts";

export interface HistoryViewProps {
  client: Client;
  filters: Filters;
  onFilter: (filters: Filters) => void;
  onOpen: (jobId: string) => void;
  /** Two to four jobs shall be compared. */
  onCompare: (jobIds: string[]) => void;
  /** The parameters of this job shall be those of the next one. */
  onUseSettings: (job: Job) => void;
}

export { EditDialog } from "./dialogs.tsx";
export { HistoryView } from "./HistoryView.tsx";
