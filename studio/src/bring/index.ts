export { BringRoom } from "./BringRoom.tsx";
export { measureVideo, type Length } from "./frames.ts";
export { Examples } from "./Examples.tsx";
export { createSlot, type InputSlot } from "./slot.ts";
