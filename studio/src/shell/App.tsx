import type { JSX } from "preact";
import { useErrorBoundary } from "preact/hooks";
import { session } from "../api/index.ts";
import { useJobParams } from "../choose/settings.ts";
import { HistoryView } from "../keep/index.ts";
import { texts } from "../texts.ts";
import { JobChip, jobOf } from "../watch/index.ts";
import { CompareView } from "./CompareView.tsx";
import { Header } from "./Header.tsx";
import { MakeView } from "./MakeView.tsx";
import { navigate, route } from "./route.ts";
import { SignIn } from "./SignIn.tsx";
import type { Workbench } from "./workbench.ts";

/** The page: the header, and one of the views. */
export function App({ bench }: { bench: Workbench }): JSX.Element {
  const [failure] = useErrorBoundary();
  return (
    <>
      <Header make={{ view: "make", job: jobOf(bench.run.value)?.id ?? null }}>
        <JobChip run={bench.run.value} />
      </Header>
      <main class="page" id="content" tabIndex={-1}>
        {failure ? <Broken /> : <View bench={bench} />}
      </main>
    </>
  );
}

function View({ bench }: { bench: Workbench }): JSX.Element {
  const [now, user] = [route.value, session.value];
  if (user.kind === "locked") {
    return <SignIn lost={user.trouble} />;
  }
  switch (now.view) {
    case "make":
      return <MakeView bench={bench} />;
    case "compare":
      return <CompareView bench={bench} ids={now.jobs} />;
    case "history":
      return (
        <HistoryView
          client={bench.client}
          filters={now.filters}
          onFilter={(filters) => navigate({ view: "history", filters }, "same")}
          onOpen={(job) => navigate({ view: "make", job })}
          onCompare={(jobs) => navigate({ view: "compare", jobs })}
          onUseSettings={(job) => {
            useJobParams(job.params);
            navigate({ view: "make", job: null });
          }}
        />
      );
  }
}

function Broken(): JSX.Element {
  return (
    <div class="notice error" role="alert">
      <h2>{texts.shell.broken}</h2>
      <p>{texts.shell.brokenHint}</p>
      <button class="button" type="button" onClick={() => location.reload()}>
        {texts.shell.reload}
      </button>
    </div>
  );
}
