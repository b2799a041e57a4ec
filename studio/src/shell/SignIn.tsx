import { useSignal } from "@preact/signals";
import type { JSX, TargetedEvent } from "preact";
import { describeError, signIn, type Trouble } from "../api/index.ts";
import { KeyIcon } from "../icons.tsx";
import { texts } from "../texts.ts";
import { TroubleNotice } from "./TroubleNotice.tsx";

/** The form that exchanges a key for a session. */
export function SignIn({ lost }: { lost: Trouble | null }): JSX.Element {
  const trouble = useSignal<Trouble | null>(null);
  const isBusy = useSignal(false);

  const submit = async (event: TargetedEvent<HTMLFormElement, SubmitEvent>) => {
    event.preventDefault();
    const key = new FormData(event.currentTarget).get("key");
    isBusy.value = true;
    try {
      await signIn(String(key).trim());
    } catch (error) {
      trouble.value = describeError(error);
    } finally {
      isBusy.value = false;
    }
  };

  return (
    <form class="sign-in panel stack" onSubmit={submit} aria-labelledby="sign-in-title">
      <h2 id="sign-in-title">{lost ? texts.shell.keyLost : texts.shell.keyNeeded}</h2>
      {lost ? <p>{texts.shell.keyLostHint}</p> : null}
      <div class="field">
        <label for="key">{texts.shell.key}</label>
        <input
          class="input"
          id="key"
          name="key"
          type="password"
          autocomplete="current-password"
          required
          aria-describedby="key-hint"
          aria-invalid={trouble.value !== null}
        />
        <p class="hint" id="key-hint">
          {texts.shell.keyHint}
        </p>
      </div>
      {trouble.value ? <TroubleNotice trouble={trouble.value} /> : null}
      <button class="button primary" type="submit" disabled={isBusy.value}>
        <KeyIcon /> {texts.shell.signIn}
      </button>
    </form>
  );
}
