import type { JSX } from "preact";
import type { Model } from "tcan-client";
import { texts } from "../texts.ts";
import { catalog } from "./catalog.ts";
import { changeParam, settings } from "./settings.ts";

/** The preset: what it is for, and its licence. */
export function PresetField({ models }: { models: Model[] }): JSX.Element {
  const chosen = settings.params.value.preset;
  const model = models.find(({ preset }) => preset === chosen) ?? (models.length === 1 ? models[0] : undefined);
  const isGone = chosen !== undefined && catalog.value.isRead && !models.some(({ preset }) => preset === chosen);
  return (
    <div class="field">
      <label for="preset">{texts.choose.preset}</label>
      <select
        class="input"
        id="preset"
        value={chosen === undefined ? "" : String(chosen)}
        aria-describedby="preset-hint"
        onChange={({ currentTarget }) => changeParam("preset", currentTarget.value || undefined)}
      >
        <option value="">{models.length === 1 && models[0] ? models[0].preset : texts.choose.anyPreset}</option>
        {models.length > 1
          ? models.map(({ preset, workers }) => (
              <option key={preset} value={preset}>
                {preset} · {texts.choose.workers(workers)}
              </option>
            ))
          : null}
        {isGone ? <option value={String(chosen)}>{texts.choose.notServed(String(chosen))}</option> : null}
      </select>
      <div class="hint" id="preset-hint">
        <p>{catalog.value.isRead && models.length === 0 ? texts.choose.noPresets : model?.description}</p>
        {model?.licenses.length ? <p>{`${texts.choose.licence}: ${model.licenses.join(", ")}`}</p> : null}
      </div>
    </div>
  );
}
