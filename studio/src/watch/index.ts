export { JobChip } from "./JobChip.tsx";
export { WatchRoom } from "./WatchRoom.tsx";
export { NONE, jobOf, reduceRun, type Run, type RunEvent } from "./run.ts";
export { stageText } from "./stages.ts";
export { followTitle } from "./title.ts";
