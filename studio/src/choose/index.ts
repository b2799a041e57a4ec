export { ChooseRoom } from "./ChooseRoom.tsx";
export { ANIMATE, SubmitBar } from "./SubmitBar.tsx";
export { changeParam, requestParams, settings, useJobParams, wantsConsent } from "./settings.ts";
