"""Batch training without the command line's package, also under torchrun.

torchrun --nproc-per-node 8 -m tcan_core.training stage1 --config sd15/stage1 --resume
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from tcan_core.errors import ConfigError, InputError, TcanError
from tcan_core.startup import use_passive_waiting
from tcan_core.training.command import (
    CHECK_CONFIG_HELP,
    CHECK_HELP,
    CHECKPOINT_HELP,
    CONFIG_HELP,
    EXPORT_SUMMARY,
    OVERRIDE_HELP,
    RESUME_HELP,
    RUN_HELP,
    STAGES,
    export_command,
    run_command,
)

USAGE_EXIT, ERROR_EXIT, INTERRUPT_EXIT = 2, 1, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one training stage, or export a checkpoint.

    Returns:
        The exit code: 0, 1 on an error, 2 for a wrong configuration or a missing file.
    """
    options = _parser().parse_args(arguments)
    use_passive_waiting()
    try:
        options.run(options)
    except KeyboardInterrupt:
        return INTERRUPT_EXIT
    except (TcanError, OSError) as error:
        if os.environ.get("TCAN_TRACEBACK"):
            raise
        print(f"error: {error}", file=sys.stderr)
        is_usage_error = isinstance(error, ConfigError | InputError | FileNotFoundError)
        return USAGE_EXIT if is_usage_error else ERROR_EXIT
    return 0


def _train(options: argparse.Namespace) -> None:
    run_command(
        options.stage,
        options.config,
        options.override,
        resume=options.resume,
        check=options.check,
        check_config=options.check_config,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tcan_core.training", description=__doc__)
    stages = parser.add_subparsers(dest="stage", metavar="STAGE", required=True)
    for stage, summary in STAGES.items():
        command = stages.add_parser(stage, help=summary, description=summary)
        command.add_argument("--config", required=True, help=CONFIG_HELP)
        command.add_argument("--override", action="append", default=[], help=OVERRIDE_HELP)
        resume = argparse.BooleanOptionalAction
        command.add_argument("--resume", action=resume, default=False, help=RESUME_HELP)
        command.add_argument("--check", action="store_true", help=CHECK_HELP)
        command.add_argument("--check-config", action="store_true", help=CHECK_CONFIG_HELP)
        command.set_defaults(run=_train)
    export = stages.add_parser("export", help=EXPORT_SUMMARY, description=EXPORT_SUMMARY)
    export.add_argument("folder", metavar="RUN", help=RUN_HELP)
    export.add_argument("--checkpoint", default="last", help=CHECKPOINT_HELP)
    export.set_defaults(run=lambda options: export_command(options.folder, options.checkpoint))
    return parser


if __name__ == "__main__":
    sys.exit(main())
