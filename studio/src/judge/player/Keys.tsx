import type { JSX } from "preact";
import { texts } from "../../texts.ts";

/** The keys of the player. */
export function Keys(): JSX.Element {
  return (
    <div class="keys" role="group" aria-label={texts.judge.keys}>
      <p class="hint">{texts.judge.keysHint}</p>
      <dl>
        {texts.judge.keyList.map(([keys, effect]) => (
          <div key={effect}>
            <dt>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{effect}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
