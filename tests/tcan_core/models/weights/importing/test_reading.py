"""Reading of weight files: all layouts of folders, and pickles that contain code."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from cli.main import main
from tcan_core.errors import WeightsError
from tcan_core.models.weights.importing.reading import read_sources

STATE = {f"conv_{number}.weight": torch.full((2, 2), float(number)) for number in range(4)}


class MaliciousPickle:
    """An object that writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return os.system, (f"touch {self.path}",)


def names(path: Path) -> list[str]:
    (source,) = read_sources(path)
    return sorted(source.tensors)


@pytest.mark.parametrize("whole_file", [True, False])
@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".pt", ".bin"])
def test_a_malicious_pickle_is_rejected_without_running_code(
    suffix: str, whole_file: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, trace = tmp_path / f"model{suffix}", tmp_path / "it-ran"
    inside = {"state_dict": STATE, "callbacks": MaliciousPickle(trace)}
    torch.save(MaliciousPickle(trace) if whole_file else inside, path)

    with pytest.raises(SystemExit) as exited:
        main(["models", "import", str(path), "--preset", "mini"])

    assert exited.value.code == 1
    error = capsys.readouterr().err
    assert "refused, the pickle contains more than weights" in error
    assert "posix.system" in error or "nt.system" in error
    assert not trace.exists()


def test_a_bare_pickle_is_rejected_without_running_code(tmp_path: Path) -> None:
    path, trace = tmp_path / "model.ckpt", tmp_path / "it-ran"
    path.write_bytes(pickle.dumps(MaliciousPickle(trace)))

    with pytest.raises(WeightsError, match="refused, the pickle contains more than weights"):
        read_sources(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists()  # the pickle does run code


def test_pickles_of_the_old_format_and_wrappers_are_read(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"epoch": 3, "state_dict": STATE}, tmp_path / "wrapped.ckpt")
    torch.save({"module": {"state_dict": STATE}}, tmp_path / "twice.ckpt")

    for name in ("old.pth", "wrapped.ckpt", "twice.ckpt"):
        assert names(tmp_path / name) == sorted(STATE)
    assert read_sources(tmp_path / "wrapped.ckpt")[0].metadata == {"epoch": 3}


def test_a_folder_is_read_from_shards(tmp_path: Path) -> None:
    shards: dict[str, dict[str, Tensor]] = {"a.safetensors": {}, "b.safetensors": {}}
    where = {}
    for number, (key, value) in enumerate(STATE.items()):
        shard = ("a.safetensors", "b.safetensors")[number % 2]
        shards[shard][key] = value
        where[key] = shard
    for name, state in shards.items():
        save_file(state, tmp_path / name)
    index = tmp_path / "diffusion_pytorch_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": where}))

    assert names(tmp_path) == sorted(STATE)

    index.write_text(json.dumps({"weight_map": {"x": "../a.safetensors"}}))
    with pytest.raises(WeightsError, match=r"must be in its folder, but it names \.\./a"):
        read_sources(tmp_path)
    index.write_text(json.dumps({"weight_map": {"x": "c.safetensors"}}))
    with pytest.raises(WeightsError, match=r"c\.safetensors: file not found"):
        read_sources(tmp_path)


def test_the_default_variant_is_preferred(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "diffusion_pytorch_model.bin")
    save_file({"fp16": torch.zeros(1)}, tmp_path / "diffusion_pytorch_model.fp16.safetensors")
    assert names(tmp_path) == ["fp16"]  # safetensors before a pickle

    save_file(STATE, tmp_path / "diffusion_pytorch_model.safetensors")
    assert names(tmp_path) == sorted(STATE)


def test_a_pipeline_folder_gives_one_source_per_model(tmp_path: Path) -> None:
    for name in ("unet", "vae", "scheduler"):
        (tmp_path / name).mkdir()
    save_file(STATE, tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    save_file(STATE, tmp_path / "vae" / "diffusion_pytorch_model.safetensors")
    (tmp_path / "vae" / "config.json").write_text('{"scaling_factor": 0.2}')

    sources = read_sources(tmp_path)

    assert [source.path.name for source in sources] == ["unet", "vae"]
    assert sources[1].metadata == {"scaling_factor": 0.2}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.safetensors", b"nonsense", "not a safetensors file"),
        ("x.ckpt", b"nonsense", "not a weights file|refused, the pickle"),
        ("x.gguf", b"", r"supported are \.safetensors, \.ckpt"),
    ],
)
def test_unsupported_files_are_rejected(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        read_sources(tmp_path / name)


def test_a_missing_path_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="file not found"):
        read_sources(tmp_path / "nothing")
    with pytest.raises(WeightsError, match="no weights found; expected"):
        read_sources(tmp_path)
    torch.save({"epoch": 1}, tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match=r"no weights found; its keys are \['epoch'\]"):
        read_sources(tmp_path / "x.ckpt")
    torch.save([torch.zeros(1)], tmp_path / "x.ckpt")
    with pytest.raises(WeightsError, match="expected a mapping of weights, got list"):
        read_sources(tmp_path / "x.ckpt")
