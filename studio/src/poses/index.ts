/** The poses, seen and mended before anything is rendered. */

import type { Client, components } from "tcan-client";
import type { Trouble } from "../api/index.ts";
import { createRoom, type Room } from "./room.ts";

/** What the person approved; absent parts stay as the service would detect them. */
export interface ApprovedPoses {
  /** A pose file of the picture. */
  imagePose?: File;
  /** A pose file that takes the place of the driving video. */
  driving?: File;
  trim?: components["schemas"]["Trim"];
  /** Index of the person who drives, from 0. */
  person?: number;
}

/** What the step works with. */
export interface RoomProps {
  /** A file, or an address that the service reads. */
  picture: File | string;
  driver: File | string;
  /** Ids of their uploads, where they were sent: no file is sent twice. */
  uploads?: { picture?: string; driver?: string };
  client: Client;
  onApproved: (poses: ApprovedPoses) => void;
  /** Called when the service refuses a preview; returns whether that is shown elsewhere. */
  onRefused: (trouble: Trouble) => boolean;
}

export interface PosesStepProps {
  /** Holds the poses and their edits, wherever the page shows them. */
  room: Room;
  /** A file, or an address that the service reads. */
  picture: File | string;
  /** Called when the person approves the poses, to go on to what follows. */
  onGoOn: () => void;
}

export { PosesStep } from "./PosesStep.tsx";
export { createRoom, type Room };
