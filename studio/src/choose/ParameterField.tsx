import type { JSX } from "preact";
import { texts } from "../texts.ts";
import type { Parameter } from "./parameters.ts";
import { changeParam, settings } from "./settings.ts";

interface Props {
  parameter: Parameter;
  /** The default that counts now. */
  initial: Parameter["initial"];
}

/** A parameter with its meaning and its cost in time. Empty is the service's default. */
export function ParameterField({ parameter, initial }: Props): JSX.Element {
  const { name, label, meaning } = parameter;
  const id = `param-${name}`;
  const cost = texts.choose.cost[name];
  const isSwitch = parameter.control.kind === "switch";
  return (
    <div class={`field parameter ${isSwitch ? "wide" : ""}`}>
      {isSwitch ? null : <label for={id}>{label}</label>}
      <Control id={id} parameter={parameter} initial={initial} />
      <p class="hint" id={`${id}-hint`}>
        {meaning} {cost ?? ""}
      </p>
    </div>
  );
}

function Control({ id, parameter, initial }: Props & { id: string }): JSX.Element {
  const { name, control } = parameter;
  const value = settings.params.value[name];
  const hint = { id, "aria-describedby": `${id}-hint` };
  switch (control.kind) {
    case "switch":
      return (
        <label class="row switch">
          <input
            {...hint}
            type="checkbox"
            checked={(value ?? initial) === true}
            onChange={({ currentTarget: { checked } }) => changeParam(name, checked === initial ? undefined : checked)}
          />
          {parameter.label}
        </label>
      );
    case "choice":
      return (
        <select
          {...hint}
          class="input"
          value={value === undefined || value === initial ? "" : String(value)}
          onChange={({ currentTarget }) => changeParam(name, currentTarget.value || undefined)}
        >
          <option value="">{initial === null ? texts.choose.unset : texts.choose.default(String(initial))}</option>
          {control.values
            .filter((each) => each !== initial)
            .map((each) => (
              <option key={each} value={each}>
                {each}
              </option>
            ))}
        </select>
      );
    case "number":
      return (
        <input
          {...hint}
          class="input num"
          type="number"
          inputMode={control.isWhole ? "numeric" : "decimal"}
          step={control.isWhole ? 1 : "any"}
          min={control.min ?? undefined}
          max={control.max ?? undefined}
          placeholder={name === "seed" ? texts.choose.random : initial === null ? texts.choose.unset : String(initial)}
          value={value === undefined ? "" : String(value)}
          onInput={({ currentTarget }) =>
            changeParam(name, Number.isFinite(currentTarget.valueAsNumber) ? currentTarget.valueAsNumber : undefined)
          }
        />
      );
    case "text":
      return (
        <input
          {...hint}
          class="input"
          value={value === undefined ? "" : String(value)}
          placeholder={initial === null ? "" : String(initial)}
          onInput={({ currentTarget }) => changeParam(name, currentTarget.value.trim() || undefined)}
        />
      );
  }
}
