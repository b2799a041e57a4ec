import type { ComponentChildren, JSX, TargetedMouseEvent } from "preact";
import { session, signOut } from "../api/index.ts";
import { AutoIcon, MoonIcon, SunIcon } from "../icons.tsx";
import { NO_FILTERS } from "../keep/filters.ts";
import { texts } from "../texts.ts";
import { formatRoute, navigate, route, type Route } from "./route.ts";
import { THEMES, theme } from "./theme.ts";

const THEME_ICONS = { auto: AutoIcon, light: SunIcon, dark: MoonIcon };

interface Props {
  /** The Make view with the open job, if there is one. */
  make: Route;
  /** The job that runs, shown in every view. */
  children?: ComponentChildren;
}

/** The bar above every view. */
export function Header({ make, children }: Props): JSX.Element {
  return (
    <header class="header">
      <a class="skip button" href="#content">
        {texts.shell.skip}
      </a>
      <h1 class="brand">{texts.shell.title}</h1>
      <nav class="row" aria-label={texts.shell.views}>
        <ViewLink to={make} isCurrent={route.value.view !== "history"} label={texts.shell.make} />
        <ViewLink to={{ view: "history", filters: NO_FILTERS }} isCurrent={route.value.view === "history"} label={texts.shell.history} />
      </nav>
      <div class="header-job">{children}</div>
      <Account />
      <ThemeSwitch />
    </header>
  );
}

function ViewLink({ to, isCurrent, label }: { to: Route; isCurrent: boolean; label: string }): JSX.Element {
  const open = (event: TargetedMouseEvent<HTMLAnchorElement>) => {
    // A new tab or window stays the browser's business.
    if (!(event.ctrlKey || event.metaKey || event.shiftKey)) {
      event.preventDefault();
      navigate(to);
    }
  };
  return (
    <a
      class="button quiet"
      href={`/studio${formatRoute(to)}`}
      aria-current={isCurrent ? "page" : undefined}
      onClick={open}
    >
      {label}
    </a>
  );
}

function Account(): JSX.Element | null {
  const now = session.value;
  if (now.kind !== "open" || !now.isSignedIn) {
    return null;
  }
  const name = texts.shell.signedInAs(now.caller ?? "");
  return (
    <button class="button quiet" type="button" title={name} onClick={() => void signOut()}>
      {texts.shell.signOut}
      <span class="visually-hidden">{name}</span>
    </button>
  );
}

function ThemeSwitch(): JSX.Element {
  const Icon = THEME_ICONS[theme.value];
  const following = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
  const label = `${texts.shell.theme}: ${texts.shell.themes[theme.value]}`;
  return (
    <button
      class="button quiet icon"
      type="button"
      aria-label={label}
      title={label}
      onClick={() => (theme.value = following)}
    >
      <Icon />
    </button>
  );
}
