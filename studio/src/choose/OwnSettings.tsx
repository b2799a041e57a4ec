import { useSignal } from "@preact/signals";
import type { JSX, TargetedEvent } from "preact";
import { CloseIcon } from "../icons.tsx";
import { texts } from "../texts.ts";
import { settings } from "./settings.ts";

/** Settings of one's own: saved under a name in this browser, used by a click. */
export function OwnSettings(): JSX.Element {
  const said = useSignal("");
  const save = (event: TargetedEvent<HTMLFormElement, SubmitEvent>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (name !== "") {
      const others = settings.own.value.filter((each) => each.name !== name);
      settings.own.value = [...others, { name, params: settings.params.value }];
      said.value = texts.choose.saved(name);
      event.currentTarget.reset();
    }
  };
  return (
    <details class="own">
      <summary>{texts.choose.own}</summary>
      <ul>
        {settings.own.value.map(({ name, params }) => (
          <li class="row nowrap" key={name}>
            <button class="button own-use" type="button" onClick={() => (settings.params.value = params)}>
              {name}
            </button>
            <button
              class="button quiet icon"
              type="button"
              aria-label={texts.choose.remove(name)}
              onClick={() => (settings.own.value = settings.own.value.filter((each) => each.name !== name))}
            >
              <CloseIcon />
            </button>
          </li>
        ))}
      </ul>
      <form class="field" onSubmit={save}>
        <label for="own-name">{texts.choose.ownName}</label>
        <div class="row nowrap">
          <input class="input" id="own-name" name="name" maxLength={60} required autocomplete="off" />
          <button class="button" type="submit">
            {texts.choose.save}
          </button>
        </div>
        <p class="hint" role="status">
          {said.value}
        </p>
      </form>
    </details>
  );
}
