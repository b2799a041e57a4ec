"""`tcan`: finds the command, imports only its module, and prints errors as one line.

A command's libraries are loaded when it is called: `tcan --help` imports only typer.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Annotated, NamedTuple

import typer

from cli.examples import add_examples, epilog

USAGE_EXIT, ERROR_EXIT, INTERRUPT_EXIT = 2, 1, 130


class Command(NamedTuple):
    """A command, `module:name` of its function or group in this package, and its help line."""

    name: str
    target: str
    help: str

    def add_to(self, app: typer.Typer) -> None:
        """Import the command and add it to an application."""
        target = resolve_name(f"cli.{self.target}")
        if isinstance(target, typer.Typer):
            add_examples(target, self.name)
            app.add_typer(target, name=self.name)
        else:
            app.command(self.name, epilog=epilog(self.name))(target)


COMMANDS = (
    Command("animate", "animate:animate", "Animate an image with the motion of a video."),
    Command("plan", "plan:plan", "Choose options that fit a device's memory."),
    Command("poses", "poses:app", "Extract keypoints from videos and draw them."),
    Command(
        "puppets", "puppets:app", "Render pairs of procedural characters with known ground truth."
    ),
    Command(
        "evaluate", "evaluate:evaluate", "Animate pairs and measure the results against the truth."
    ),
    Command("compare", "evaluate:compare", "Compare two reports of `tcan evaluate`."),
    Command("train", "train:app", "Train the parts of a preset."),
    Command("data", "data:app", "Make training data from videos."),
    Command(
        "models", "models:app", "List, show, pull, import and verify presets and their weights."
    ),
    Command("demo", "demo:demo", "Animate a puppet through the whole service."),
    Command(
        "verify-origin",
        "verify_origin:verify_origin",
        "Check a file for a C2PA manifest and a watermark.",
    ),
    Command("up", "up:up", "Run the embedded service: broker, gateway and worker."),
    Command("gateway", "serve:gateway", "Run only a gateway."),
    Command("worker", "serve:worker", "Run only a worker."),
    Command("keys", "keys:app", "Create, list and revoke API keys."),
    Command("health", "health:app", "Check whether a gateway or a worker is healthy."),
    Command("doctor", "doctor:doctor", "Check a deployment, and say how to fix it."),
    Command("simulate", "simulate:simulate", "Simulate a deployment under load: waits, use, cost."),
    Command("submit", "submit:submit", "Send a job to a running service."),
    Command("status", "jobs:status", "Show the status of a job."),
    Command("wait", "jobs:wait", "Wait for a job, and download its result."),
    Command("cancel", "jobs:cancel", "Cancel a job."),
    Command("erase", "jobs:erase", "Erase an ended job and its results."),
    Command("list", "jobs:list_jobs", "List the newest jobs."),
    Command("deliveries", "jobs:deliveries", "Show a job's webhooks, and send one again."),
)
CLIENT_ERROR = "tcan_client.errors.ClientError"
# Names of errors, whose modules are not imported just to recognize them.
OWN_ERRORS = {
    "service.errors.ServiceError",
    CLIENT_ERROR,
    "media.errors.TcanError",
}
USAGE_ERRORS = {
    "media.errors.InputError",
    "tcan_core.errors.ConfigError",
    "service.errors.RejectedError",
    "service.errors.SettingsError",
    "builtins.FileNotFoundError",
    "builtins.IsADirectoryError",
    "builtins.PermissionError",
}
# Commands whose own process computes with torch.
USING_TORCH = {"animate", "plan", "poses", "evaluate", "train", "data", "models", "worker"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit with 0, with 1 on an error, with 2 for invalid input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        build_app(words)(words)
    except KeyboardInterrupt:
        sys.exit(INTERRUPT_EXIT)
    except Exception as error:
        if os.environ.get("TCAN_TRACEBACK"):
            raise
        message = with_option(sentence(error), words)
        print(f"error: {message}{remedy(error)}", file=sys.stderr)
        sys.exit(exit_code(error))


def build_app(words: Sequence[str]) -> typer.Typer:
    """Return the application with the command of this command line, and the names of the others."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(epilog=epilog(""))(_root)
    name = next((word for word in words if not word.startswith("-")), None)
    if name in USING_TORCH:
        from tcan_core.startup import use_passive_waiting

        use_passive_waiting()
    for command in COMMANDS:
        if command.name == name:
            command.add_to(app)
        else:
            app.command(command.name, help=command.help)(_not_called)
    return app


def sentence(error: Exception) -> str:
    """Return the message of an error; an unexpected one with its class."""
    if _is_problem(error):
        return _with_options(error)
    if _class_names(error) & OWN_ERRORS:
        return str(error)
    if isinstance(error, ModuleNotFoundError) and error.name == "tcan_client":
        return "tcan-client is not installed; run 'pip install ./clients/python' in the checkout"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (set TCAN_TRACEBACK=1 for the traceback)"


def with_option(message: str, words: Sequence[str]) -> str:
    """Return a message that begins like `ptm_tau is 99` with the option given, --ptm-tau."""
    field, is_, _ = message.partition(" is ")
    option = f"--{field.replace('_', '-')}"
    was_given = any(word.partition("=")[0] == option for word in words)
    return message.replace(field, option, 1) if is_ and was_given else message


def remedy(error: Exception) -> str:
    """Return which options help against an error of a client; empty if none do."""
    names = _class_names(error)
    if "tcan_client.errors.UnreachableError" in names:
        return "; start a service with 'tcan up', or name another with --url or TCAN_URL"
    if not _is_problem(error):
        return ""
    code = getattr(error, "code", "")
    if code == "unauthorized":
        return "; give a key with --api-key or TCAN_API_KEY, from 'tcan keys create NAME'"
    if code == "forbidden":
        return "; give another key with --api-key or TCAN_API_KEY"
    return "; check --url and TCAN_URL" if code in ("http", "not_found") else ""


def exit_code(error: Exception) -> int:
    """Return 2 for an error of the user's input, else 1."""
    names = _class_names(error)
    is_refused = _is_problem(error) and getattr(error, "status", 500) < 500
    # Its class itself is raised for invalid arguments only.
    is_argument = f"{type(error).__module__}.{type(error).__name__}" == CLIENT_ERROR
    return USAGE_EXIT if is_refused or is_argument or names & USAGE_ERRORS else ERROR_EXIT


def _is_problem(error: Exception) -> bool:
    """Return whether the service refused a request."""
    return "tcan_client.errors.ProblemError" in _class_names(error)


def _with_options(error: Exception) -> str:
    """Return the message of a refused request, with options in place of the API's fields."""
    from cli.arguments import option_of

    text = str(error)
    for each in getattr(error, "errors", ()):
        text = text.replace(f"{each.field}: ", f"{option_of(each.field)}: ")
    return text


def _class_names(error: Exception) -> set[str]:
    """Return the names of an error's classes, to recognize it without importing their modules."""
    return {f"{one.__module__}.{one.__name__}" for one in type(error).__mro__}


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"tcan {version('tcan')}")
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Animate a character's image with the motion of a driving video (TCAN)."""


def _not_called() -> None:
    """Do nothing: a placeholder for a command in the help."""


if __name__ == "__main__":
    main()
