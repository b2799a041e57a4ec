export { BringRoom } from "./BringRoom.tsx";
export { Examples } from "./Examples.tsx";
export { createSlot, type InputSlot } from "./slot.ts";
