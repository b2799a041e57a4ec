import type { JSX } from "preact";
import { texts } from "../texts.ts";
import { DAYS, KINDS, STATES, type Filters } from "./filters.ts";

interface Props {
  filters: Filters;
  onFilter: (filters: Filters) => void;
  presets: readonly string[];
}

/** Which jobs are shown. */
export function FilterBar({ filters, onFilter, presets }: Props): JSX.Element {
  const { state, kind, preset, text, days } = filters;
  const change = (changes: Partial<Filters>) => onFilter({ ...filters, ...changes });
  return (
    <div class="row" role="search">
      <input
        class="input history-search"
        type="search"
        aria-label={texts.keep.search}
        placeholder={texts.keep.search}
        value={text}
        onInput={(event) => change({ text: event.currentTarget.value })}
      />
      <Choice
        label={texts.keep.state}
        value={state ?? ""}
        options={[["", texts.keep.anyState], ...STATES.map((each) => [each, texts.keep.states[each]] as const)]}
        onChange={(value) => change({ state: STATES.find((each) => each === value) ?? null })}
      />
      <Choice
        label={texts.keep.kind}
        value={kind ?? ""}
        options={[["", texts.keep.anyKind], ...KINDS.map((each) => [each, texts.keep.kinds[each]] as const)]}
        onChange={(value) => change({ kind: KINDS.find((each) => each === value) ?? null })}
      />
      <Choice
        label={texts.keep.preset}
        value={preset ?? ""}
        options={[["", texts.keep.anyPreset], ...presets.map((each) => [each, each] as const)]}
        onChange={(value) => change({ preset: value || null })}
      />
      <Choice
        label={texts.keep.time}
        value={String(days ?? "")}
        options={[["", texts.keep.anyTime], ...DAYS.map((each) => [String(each), texts.keep.days(each)] as const)]}
        onChange={(value) => change({ days: value ? Number(value) : null })}
      />
    </div>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}

function Choice({ label, value, options, onChange }: ChoiceProps): JSX.Element {
  return (
    <select
      class="input history-choice"
      aria-label={label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      {options.map(([name, text]) => (
        <option key={name} value={name}>
          {text}
        </option>
      ))}
    </select>
  );
}
