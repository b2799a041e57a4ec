import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import type { Client, Job } from "tcan-client";
import { describeError, noteRefusal, type Trouble } from "../../api/index.ts";
import { TroubleNotice } from "../../shell/TroubleNotice.tsx";
import { texts } from "../../texts.ts";
import { parameters } from "../model/differences.ts";
import { readProvenance, type Provenance as Claims } from "../model/provenance.ts";
import { parameterName } from "./Differences.tsx";

type Claim =
  { kind: "unread" } | { kind: "reading" } | { kind: "read"; claims: Claims } | { kind: "failed"; trouble: Trouble };

/** Where a result comes from, as its manifest says; read when it is opened. */
export function Provenance({ job, client }: { job: Job; client: Client }): JSX.Element {
  const claim = useSignal<Claim>({ kind: "unread" });
  const read = async () => {
    if (claim.value.kind === "reading" || claim.value.kind === "read") {
      return;
    }
    claim.value = { kind: "reading" };
    try {
      const manifest: unknown = JSON.parse(await (await client.output(job.id, "manifest")).text());
      claim.value = { kind: "read", claims: readProvenance(manifest) };
    } catch (error) {
      noteRefusal(error);
      claim.value = { kind: "failed", trouble: describeError(error) };
    }
  };
  const now = claim.value;
  return (
    <details class="fold" onToggle={(event) => void (event.currentTarget.open && read())}>
      <summary>{texts.judge.provenance}</summary>
      {now.kind === "failed" ? <TroubleNotice trouble={now.trouble} /> : null}
      {now.kind === "read" ? <ClaimList job={job} claims={now.claims} /> : null}
    </details>
  );
}

function ClaimList({ job, claims }: { job: Job; claims: Claims }): JSX.Element {
  const c2pa = claims.c2pa.map(([file, state]): [string, string] => [
    texts.judge.files[file] ?? file,
    texts.judge.c2paStates[state] ?? state,
  ]);
  return (
    <div class="stack">
      <p class="hint">{texts.judge.claim}</p>
      <dl class="claims">
        <Entry name={texts.choose.labels.preset ?? ""}>{claims.preset}</Entry>
        <Pairs
          name={texts.judge.parameters}
          pairs={[...parameters(job)].map(([name, value]) => [parameterName(name), value])}
        />
        <Entry name={texts.judge.watermark}>
          {claims.watermark
            ? texts.judge.watermarkOf(claims.watermark)
            : claims.unmarked && texts.judge.noWatermark(claims.unmarked)}
        </Entry>
        <Pairs name={texts.judge.c2pa} pairs={c2pa} />
        <Entry name={texts.judge.consent}>{claims.consent}</Entry>
        <Pairs
          name={texts.judge.timings}
          pairs={claims.seconds.map(([stage, seconds]) => [stage, texts.judge.seconds(Number(seconds))])}
        />
        <Pairs name={texts.judge.versions} pairs={claims.versions} />
        <Pairs name={texts.judge.inputDigests} pairs={claims.inputs} isCode />
        <Pairs name={texts.judge.weights} pairs={claims.weights} isCode />
      </dl>
      {claims.warnings.length > 0 ? (
        <div class="notice">
          <p class="label">{texts.judge.warnings}</p>
          {claims.warnings.map((warning) => (
            <p key={warning}>{warning}</p>
          ))}
        </div>
      ) : null}
    </div>
  );
}

function Entry({ name, children }: { name: string; children: ComponentChildren }): JSX.Element | null {
  return children ? (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  ) : null;
}

interface PairsProps {
  name: string;
  pairs: readonly (readonly [string, string])[];
  isCode?: boolean;
}

function Pairs({ name, pairs, isCode = false }: PairsProps): JSX.Element | null {
  return pairs.length > 0 ? (
    <Entry name={name}>
      <ul>
        {pairs.map(([key, value]) => (
          <li key={key}>
            {key} {isCode ? <code>{value}</code> : <span class="value num">{value}</span>}
          </li>
        ))}
      </ul>
    </Entry>
  ) : null;
}
