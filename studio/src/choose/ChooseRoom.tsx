import type { JSX } from "preact";
import { useEffect } from "preact/hooks";
import { RefreshIcon } from "../icons.tsx";
import { setting } from "../shell/settings.ts";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";
import { catalog, readCatalog } from "./catalog.ts";
import { OwnSettings } from "./OwnSettings.tsx";
import { ParameterField } from "./ParameterField.tsx";
import { sortParameters, type Parameter } from "./parameters.ts";
import { PresetField } from "./PresetField.tsx";
import { settings, wantsConsent } from "./settings.ts";
import "./choose.css";

const isOpen = setting("more", false, (value): value is boolean => typeof value === "boolean");

/** The settings of the next job, few first, and the button that submits it. */
export function ChooseRoom({ bench }: { bench: Workbench }): JSX.Element {
  // Again with each job: workers come and go while the page is open.
  useEffect(() => void readCatalog(bench.client), [bench, bench.run.value.kind]);
  const driver = bench.inputs.driver.state.value;
  const hasPoseFile =
    driver.kind !== "empty" && driver.source.kind === "file" && /\.(json|zip)$/i.test(driver.source.file.name);
  const [few, more] = sortParameters(catalog.value.parameters, hasPoseFile);
  const changed = Object.keys(settings.params.value).length > 0 || wantsConsent();
  const reset = () => {
    settings.params.value = {};
    settings.consent.value = "";
  };
  return (
    <section class="panel stack choose" aria-label={texts.choose.region}>
      <PresetField models={catalog.value.models} />
      <div class="parameters">
        <Fields parameters={few} />
      </div>
      <details open={isOpen.value} onToggle={(event) => (isOpen.value = event.currentTarget.open)}>
        <summary>{texts.choose.more}</summary>
        <div class="parameters">
          <Fields parameters={more} />
          <div class="field wide">
            <label for="consent">{texts.choose.consent}</label>
            <input
              class="input"
              id="consent"
              value={settings.consent.value}
              aria-describedby="consent-hint"
              onInput={(event) => (settings.consent.value = event.currentTarget.value)}
            />
            <p class="hint" id="consent-hint">
              {texts.choose.consentHint}
            </p>
          </div>
        </div>
      </details>
      <OwnSettings />
      {changed ? (
        <button class="button quiet reset" type="button" onClick={reset}>
          <RefreshIcon /> {texts.choose.resetAll}
        </button>
      ) : null}
    </section>
  );
}

function Fields({ parameters }: { parameters: Parameter[] }): JSX.Element {
  return (
    <>
      {parameters.map((parameter) => (
        <ParameterField key={parameter.name} parameter={parameter} initial={presetDefault(parameter)} />
      ))}
    </>
  );
}

/** The chosen preset's default goes before the service's. */
function presetDefault({ name, initial }: Parameter): Parameter["initial"] {
  const model = catalog.value.models.find(({ preset }) => preset === settings.params.value.preset);
  const only = catalog.value.models.length === 1 ? catalog.value.models[0] : undefined;
  switch (name) {
    case "num_inference_steps":
      return (model ?? only)?.num_inference_steps ?? initial;
    case "guidance_scale":
      return (model ?? only)?.guidance_scale ?? initial;
    default:
      return initial;
  }
}
