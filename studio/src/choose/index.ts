export { ChooseRoom } from "./ChooseRoom.tsx";
export { SubmitBar } from "./SubmitBar.tsx";
export { requestParams, settings, wantsConsent } from "./settings.ts";
