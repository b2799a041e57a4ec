"""`tcan train` is a front of `python -m tcan_core.training`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tcan_core.training.__main__ import main
from tcan_core.training.command import STAGES
from tests.cli.conftest import Tcan

WORDS = ("stage1", "--config", "wrong.yaml", "--check-config")


def test_both_entrypoints_report_a_wrong_configuration_alike(
    tcan: Tcan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("wrong.yaml").write_text("preset: mini\n")

    front = tcan("train", *WORDS)

    assert main(WORDS) == front.code == 2
    assert capsys.readouterr().err == front.err != ""


def test_both_entrypoints_have_the_same_options(
    tcan: Tcan, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage, summary in STAGES.items():
        front = tcan("train", stage, "--help").out
        with pytest.raises(SystemExit):
            main([stage, "--help"])
        module = capsys.readouterr().out
        options = ("--config", "--override", "--resume", "--no-resume", "--check", "--check-config")
        for text in (summary, *options):
            assert text in front and text in module


@pytest.mark.long
def test_module_entrypoint_imports_neither_cli_nor_service() -> None:
    code = (
        "import sys; from tcan_core.training.__main__ import main; "
        "code = main(['stage1', '--config', 'sd15/stage1', '--check-config']); "
        "print(code, sorted({'cli', 'service', 'typer', 'worker'} & set(sys.modules)))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert process.stdout == "0 []\n", process.stderr
