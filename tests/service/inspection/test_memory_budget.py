"""Looks at files share the gateway's memory, and what is valid fits into their shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup
from PIL import Image

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.input_limits import MIB, InputLimits
from service.inspection.decoder import Decoder
from service.inspection.inspector import inspect_inputs, memory_bytes
from service.inspection.memory_budget import MemoryBudget, required_bytes
from service.stores.object_store.base import Content
from tests import samples
from tests.samples import pose_frames

LIMITS = InputLimits()
WHOLE = LIMITS.probe_memory_bytes


def test_who_needs_all_waits_for_all_and_is_not_passed_over() -> None:
    order: list[str] = []

    async def look(memory: MemoryBudget, name: str, size: int, end: anyio.Event) -> None:
        async with memory.reserve(size):
            order.append(name)
            await end.wait()

    async def main() -> None:
        memory, ends = MemoryBudget(10), [anyio.Event() for _ in range(4)]
        group: TaskGroup
        async with anyio.create_task_group() as group:
            for name, size, end in zip("abcd", (5, 5, 10, 5), ends, strict=True):
                group.start_soon(look, memory, name, size, end)
                await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b"]
            ends[0].set()
            await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b"]  # the fifth that is free is kept for c
            ends[1].set()
            await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b", "c"]
            ends[2].set()
            await anyio.wait_all_tasks_blocked()
            assert order == ["a", "b", "c", "d"]
            ends[3].set()

    anyio.run(main)


def test_a_look_that_is_given_up_gives_its_memory_back() -> None:
    async def main() -> None:
        memory = MemoryBudget(10)
        async with memory.reserve(10):
            with anyio.move_on_after(0.01):
                async with memory.reserve(1):
                    raise AssertionError("there is none left")
        with anyio.fail_after(5):
            async with memory.reserve(10):
                pass

    anyio.run(main)


def test_what_decoders_hold_several_times_gets_all_of_the_memory(tmp_path: Path) -> None:
    webp = b"RIFF\0\0\0\0WEBPVP8 "
    avif = b"\0\0\0\x18ftypavif"
    big = tmp_path / "poses"
    big.write_bytes(b"[" + bytes(WHOLE // 40))
    wholes: list[tuple[str, Content]] = [("image", webp), ("image", avif), ("poses", big)]
    halves: list[tuple[str, Content]] = [
        ("image", samples.png()),
        ("driving", avif),
        ("driving", webp),
        ("poses", b"[]"),
    ]
    assert [required_bytes(role, content, LIMITS) for role, content in wholes] == [WHOLE] * 3
    assert [required_bytes(role, content, LIMITS) for role, content in halves] == [WHOLE // 2] * 4
    assert memory_bytes({"image": samples.png(), "driving": big}, LIMITS) == WHOLE
    assert memory_bytes({"image": samples.png(), "driving": b"[]"}, LIMITS) == WHOLE // 2


def test_two_shares_and_the_gateway_fit_its_container() -> None:
    """1 GiB, of which the gateway and the process that forks its children take some 200 MiB."""
    assert WHOLE + 256 * MIB <= 1024 * MIB


def poses(frames: int, **more: Any) -> bytes:
    return json.dumps([{**frame, **more} for frame in pose_frames(frames)]).encode()


def test_pose_files_that_are_not_small_are_read_in_a_child(decoder: Decoder) -> None:
    content = poses(400)
    assert inspect_inputs({"driving": content}, LIMITS, decoder)["driving"].frames == 400
    for wrong, code in (
        (poses(400, canvas_width=0), ErrorCode.INVALID_POSE_FILE),
        (content[:-1], ErrorCode.INVALID_POSE_FILE),
        (b"[" * 100_000, ErrorCode.INVALID_POSE_FILE),
    ):
        with pytest.raises(RejectedError) as refused:
            inspect_inputs({"driving": wrong}, LIMITS, decoder)
        assert refused.value.code is code
    small = LIMITS.model_copy(update={"probe_memory_bytes": 2 * MIB})
    with pytest.raises(RejectedError) as stopped:
        inspect_inputs({"driving": poses(4000)}, small, decoder)
    assert stopped.value.code is ErrorCode.DECODER_STOPPED


@pytest.mark.slow
def test_the_biggest_pictures_that_are_taken_fit(decoder: Decoder, tmp_path: Path) -> None:
    kinds: dict[str, dict[str, Any]] = {
        "a.webp": {"lossless": True, "method": 0, "quality": 0},
        "a.avif": {"speed": 10, "subsampling": "4:4:4"},
        "a.png": {"compress_level": 1},
        "a.tiff": {"compression": "tiff_lzw"},
    }
    picture = Image.effect_noise((500, 312), 60).resize((8000, 5000)).convert("RGBA")
    for name, options in kinds.items():
        picture.save(tmp_path / name, **options)
    picture.convert("CMYK").save(tmp_path / "a.jpg", quality=95, progressive=True, subsampling=0)
    for file in sorted(tmp_path.iterdir()):
        assert decoder.inspect("image", file, LIMITS).suffix == file.suffix
