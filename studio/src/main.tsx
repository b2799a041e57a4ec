import "./tokens.css";
import "./base.css";
import "./shell/shell.css";
import { render } from "preact";
import { readSession } from "./api/index.ts";
import { App } from "./shell/App.tsx";
import { followFocus } from "./shell/focus.ts";
import { followHistory } from "./shell/route.ts";
import { followTheme } from "./shell/theme.ts";
import { createWorkbench } from "./shell/workbench.ts";
import { followTitle } from "./watch/index.ts";

const root = document.getElementById("studio");
if (root === null) {
  throw new Error("index.html has no element with the id studio");
}
followTheme();
followHistory();
followFocus();
const bench = createWorkbench();
followTitle(bench.run);
void readSession();
render(<App bench={bench} />, root);
