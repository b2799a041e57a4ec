export { ChooseRoom } from "./ChooseRoom.tsx";
export { SubmitBar } from "./SubmitBar.tsx";
export { changeParam, requestParams, settings, useJobParams, wantsConsent } from "./settings.ts";
