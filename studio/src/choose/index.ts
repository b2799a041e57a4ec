export { ChooseRoom } from "./ChooseRoom.tsx";
export { requestParams, settings, wantsConsent } from "./settings.ts";
