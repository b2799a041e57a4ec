import type { JSX } from "preact";
import type { Workbench } from "../shell/workbench.ts";
import { texts } from "../texts.ts";

/** The two inputs. */
export function BringRoom({ bench }: { bench: Workbench }): JSX.Element {
  return (
    <section class="panel stack" aria-label={texts.bring.region}>
      {(["picture", "driver"] as const).map((name) => (
        <label class="field" key={name}>
          <span>{texts.bring[name]}</span>
          <input
            type="file"
            onChange={(event) => {
              const file = event.currentTarget.files?.[0];
              if (file) {
                bench.inputs[name].choose({ kind: "file", file });
              }
            }}
          />
          <span class="hint">{bench.inputs[name].state.value.kind}</span>
        </label>
      ))}
    </section>
  );
}
