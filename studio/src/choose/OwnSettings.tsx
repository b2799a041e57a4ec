import { useSignal } from "@preact/signals";
import type { JSX, TargetedEvent } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { CloseIcon, PencilIcon } from "../icons.tsx";
import { texts } from "../texts.ts";
import { settings, type NamedParams } from "./settings.ts";

/** Settings of one's own: saved under a name in this browser, used by a click. */
export function OwnSettings(): JSX.Element {
  const said = useSignal("");
  const renamed = useSignal<string | null>(null);
  const save = (name: string) => {
    settings.own.value = [...without(name), { name, params: settings.params.value }];
    said.value = texts.choose.saved(name);
  };
  const rename = (before: NamedParams, name: string) => {
    settings.own.value = settings.own.value.flatMap((each) => {
      const isReplaced = each.name === name && each !== before;
      return each === before ? { ...each, name } : isReplaced ? [] : each;
    });
    renamed.value = null;
  };
  return (
    <details class="own">
      <summary>{texts.choose.own}</summary>
      <ul>
        {settings.own.value.map((each) =>
          each.name === renamed.value ? (
            <li class="field" key={each.name}>
              <label for="own-renamed">{texts.choose.newName(each.name)}</label>
              <NameForm id="own-renamed" initial={each.name} onName={(name) => rename(each, name)} />
            </li>
          ) : (
            <Row key={each.name} own={each} onRename={() => (renamed.value = each.name)} />
          ),
        )}
      </ul>
      <div class="field">
        <label for="own-name">{texts.choose.ownName}</label>
        <NameForm id="own-name" initial="" onName={save} />
        <p class="hint" role="status">
          {said.value}
        </p>
      </div>
    </details>
  );
}

function Row({ own: { name, params }, onRename }: { own: NamedParams; onRename: () => void }): JSX.Element {
  return (
    <li class="row nowrap">
      <button
        class="button own-use"
        type="button"
        aria-pressed={isSame(params, settings.params.value)}
        onClick={() => (settings.params.value = params)}
      >
        <bdi>{name}</bdi>
      </button>
      <button class="button quiet icon" type="button" aria-label={texts.choose.rename(name)} onClick={onRename}>
        <PencilIcon />
      </button>
      <button
        class="button quiet icon"
        type="button"
        aria-label={texts.choose.remove(name)}
        onClick={() => (settings.own.value = without(name))}
      >
        <CloseIcon />
      </button>
    </li>
  );
}

interface NameFormProps {
  id: string;
  /** The name to be changed, whose form takes the focus; empty for a new one. */
  initial: string;
  onName: (name: string) => void;
}

function NameForm({ id, initial, onName }: NameFormProps): JSX.Element {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (initial !== "") {
      input.current?.focus();
      input.current?.select();
    }
  }, []);
  const submit = (event: TargetedEvent<HTMLFormElement, SubmitEvent>) => {
    event.preventDefault();
    const name = String(new FormData(event.currentTarget).get("name")).trim();
    if (name !== "") {
      event.currentTarget.reset();
      onName(name);
    }
  };
  return (
    <form class="row nowrap" onSubmit={submit}>
      <input
        class="input"
        id={id}
        name="name"
        dir="auto"
        maxLength={60}
        required
        autocomplete="off"
        defaultValue={initial}
        ref={input}
      />
      <button class="button" type="submit">
        {texts.choose.save}
      </button>
    </form>
  );
}

function without(name: string): NamedParams[] {
  return settings.own.value.filter((each) => each.name !== name);
}

function isSame(some: NamedParams["params"], others: NamedParams["params"]): boolean {
  const sorted = (params: NamedParams["params"]) => JSON.stringify(Object.entries(params).sort());
  return sorted(some) === sorted(others);
}
