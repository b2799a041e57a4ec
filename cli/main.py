"""`tcan`: finds the command, imports only its module, and prints errors.

A command's libraries are loaded when it is called: `tcan --help` imports only typer.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pkgutil import resolve_name
from typing import Annotated, NamedTuple

import typer

from cli.errors import error_object, exit_code, print_error
from cli.examples import add_examples, epilog

INTERRUPT_EXIT = 130
JSON_OPTION = "--json"


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
# Commands whose own process computes with torch.
USING_TORCH = {"animate", "plan", "poses", "evaluate", "train", "data", "models", "worker"}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit with 0, with 1 on an error, with 2 for invalid input."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    as_json = JSON_OPTION in words
    try:
        # With --json its errors of usage come here too; it returns the code of its exit.
        sys.exit(build_app(words)(words, standalone_mode=not as_json))
    except KeyboardInterrupt:
        sys.exit(INTERRUPT_EXIT)
    except Exception as error:
        if os.environ.get("TCAN_TRACEBACK"):
            raise
        if as_json:
            print(json.dumps({"error": error_object(error, words)}))
        print_error(error, words)
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
