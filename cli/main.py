"""`tcan`: finds the command, imports its module alone, and turns errors into one line.

No command's libraries are loaded before the command is called: `tcan --help` imports typer only.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, NamedTuple

import typer

USAGE_EXIT, ERROR_EXIT, INTERRUPT_EXIT = 2, 1, 130


class Command(NamedTuple):
    """A command, the module whose `register(app)` adds it, and its line in the help."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command("animate", "cli.animate", "Animate a picture with the motion of a video."),
    Command("plan", "cli.plan", "Choose options by which an animation fits a device's memory."),
    Command("poses", "cli.poses", "Extract keypoints from videos and draw them."),
    Command("puppets", "cli.puppets", "Render pairs of procedural characters with a known truth."),
    Command("evaluate", "cli.evaluate", "Animate pairs and measure the results against the truth."),
    Command("compare", "cli.evaluate", "Compare two reports of `tcan evaluate`."),
    Command("train", "cli.train", "Train the parts of a preset."),
    Command("data", "cli.data", "Make training data from videos."),
    Command(
        "models", "cli.models", "List, show, pull, import and verify presets and their weights."
    ),
    Command("demo", "cli.demo", "Animate a puppet through the whole service, and show the result."),
    Command("verify-origin", "cli.verify_origin", "Tell whether a file was generated, and where."),
    Command("up", "cli.up", "Run the embedded service: broker, gateway and worker."),
    Command("gateway", "cli.serve", "Run a gateway alone."),
    Command("worker", "cli.serve", "Run a worker alone."),
    Command("keys", "cli.keys", "Make, list and revoke API keys."),
    Command("health", "cli.health", "Ask whether a gateway or a worker is healthy."),
    Command("doctor", "cli.doctor", "Look at a deployment, and say how to mend it."),
    Command("simulate", "cli.simulate", "Simulate a deployment under a load: waits, use, cost."),
    Command("submit", "cli.submit", "Send a job to a running service."),
    Command("status", "cli.jobs", "Show how a job stands."),
    Command("wait", "cli.jobs", "Wait for a job, and fetch its result."),
    Command("cancel", "cli.jobs", "Cancel a job."),
    Command("erase", "cli.jobs", "Erase an ended job and its results."),
    Command("list", "cli.jobs", "List the newest jobs."),
    Command("deliveries", "cli.deliveries", "Show a job's webhooks, and send one again."),
)
# Commands whose own process computes with torch.
USING_TORCH = {"animate", "plan", "poses", "evaluate", "train", "data", "models", "worker"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 0, 1 on an error, 2 when the input is at fault."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        build_app(words)(words)
    except KeyboardInterrupt:
        sys.exit(INTERRUPT_EXIT)
    except Exception as error:
        if os.environ.get("TCAN_TRACEBACK"):
            raise
        print(f"error: {sentence(error)}", file=sys.stderr)
        sys.exit(exit_code(error))


def build_app(words: Sequence[str]) -> typer.Typer:
    """The application for this command line: the command that it names, and the names of all."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    named = next((word for word in words if not word.startswith("-")), None)
    called = next((command.module for command in COMMANDS if command.name == named), None)
    if named in USING_TORCH:
        from tcan_core.startup import use_passive_waiting

        use_passive_waiting()
    if called is not None:
        import_module(called).register(app)
    for command in COMMANDS:
        if command.module != called:
            app.command(command.name, help=command.help)(_not_called)
    return app


def sentence(error: Exception) -> str:
    """What to tell of an error: its own text, with its kind where nobody foresaw it."""
    text = str(error)
    roots = (
        ("service.errors", "ServiceError"),
        ("service.client.errors", "ClientError"),
        ("tcan_core.errors", "TcanError"),
    )
    if any(_is_a(error, module, name) for module, name in roots):
        return text
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return f"{type(error).__name__}: {text} (TCAN_TRACEBACK=1 shows where)"


def exit_code(error: Exception) -> int:
    """2 when what the user gave is at fault, else 1."""
    at_fault = (
        _is_a(error, "tcan_core.errors", "InputError")
        or _is_a(error, "tcan_core.errors", "ConfigError")
        or _is_a(error, "service.errors", "RejectedError")
        or _is_a(error, "service.errors", "SettingsError")
        or (
            _is_a(error, "service.client.errors", "ProblemError")
            and getattr(error, "status", 500) < 500
        )
        or isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError)
    )
    return USAGE_EXIT if at_fault else ERROR_EXIT


def _is_a(error: Exception, module: str, name: str) -> bool:
    """Whether the error is of this class, without importing the class's module for it."""
    kind = getattr(sys.modules.get(module), name, None)
    return kind is not None and isinstance(error, kind)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"tcan {version('tcan')}")
        raise typer.Exit


def _root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_tell_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Animate a character's picture with the motion of a driving video (TCAN)."""


def _not_called() -> None:
    """Stands for a command in the help."""


if __name__ == "__main__":
    main()
