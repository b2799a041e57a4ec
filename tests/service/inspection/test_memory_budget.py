"""Valid files at the limits fit into the memory of an inspection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from service.contract.errors import ErrorCode
from service.errors import RejectedError
from service.input_limits import MIB, InputLimits
from service.inspection.decoder import Decoder
from service.inspection.inspector import inspect_inputs, memory_bytes
from service.inspection.memory_budget import required_bytes
from service.stores.object_store.base import Content
from tests import samples
from tests.samples import pose_frames

LIMITS = InputLimits()
WHOLE = LIMITS.probe_memory_bytes


def test_formats_with_heavy_decoders_get_the_whole_budget(tmp_path: Path) -> None:
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


def test_budget_and_gateway_fit_into_the_container() -> None:
    """The container has 1 GiB; the gateway and its zygote need about 200 MiB."""
    assert WHOLE + 256 * MIB <= 1024 * MIB


def poses(frames: int, **more: Any) -> bytes:
    return json.dumps([{**frame, **more} for frame in pose_frames(frames)]).encode()


def test_large_pose_file_is_parsed_in_a_child(decoder: Decoder) -> None:
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


@pytest.mark.long
def test_error_names_the_file_on_which_the_decoder_was_stopped(decoder: Decoder) -> None:
    little = LIMITS.model_copy(update={"probe_memory_bytes": 16 * MIB})
    small, large = samples.png(), samples.png(3000, 3000)
    assert inspect_inputs({"image": small, "driving": poses(400)}, little, decoder).keys() == {
        "image",
        "driving",
    }
    for image, driving, name in (
        (large, poses(400), "image"),
        (large, poses(8000), "image"),
        (small, poses(8000), "poses"),
    ):
        with pytest.raises(RejectedError, match=f"^{name}: the decoder needs more than") as stopped:
            inspect_inputs({"driving": driving, "image": image}, little, decoder)
        assert stopped.value.code is ErrorCode.DECODER_STOPPED


def test_invalid_image_is_reported_before_an_invalid_driving_file(decoder: Decoder) -> None:
    limits = LIMITS.model_copy(update={"max_pose_bytes": 40_000})
    for driving in (b"no video", b"[]", poses(400), poses(4000)):
        with pytest.raises(RejectedError, match="^image: not an image") as refused:
            inspect_inputs({"driving": driving, "image": b"no image"}, limits, decoder)
        assert refused.value.code is ErrorCode.INVALID_IMAGE
    with pytest.raises(RejectedError, match="^driving: the file has .* bytes; at most 40,000"):
        inspect_inputs({"driving": poses(4000), "image": samples.png()}, limits, decoder)


@pytest.mark.slow
def test_largest_valid_pictures_fit_into_the_budget(decoder: Decoder, tmp_path: Path) -> None:
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
    limits = LIMITS.model_copy(update={"max_image_bytes": 2**30})
    pictures = sorted(tmp_path.iterdir())
    video = samples.write_video(tmp_path / "video.mp4", frames=2, size=(4096, 2160))
    for file in pictures:
        summaries = decoder.inspect({"image": file, "driving": video}, limits)
        assert (summaries["image"].suffix, summaries["driving"].frames) == (file.suffix, 2)
