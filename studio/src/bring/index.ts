export type { Source } from "./input.ts";
export { BringRoom } from "./BringRoom.tsx";
export { measureVideo, type Length } from "./frames.ts";
export { Examples } from "./Examples.tsx";
export type { Statement } from "./statement.ts";
export { createSlot, type InputSlot } from "./slot.ts";
