"""Damaged copies of valid files, made by zzuf or, for a few, in Python."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Shares of flipped bits, from a few in the file to nearly all of it.
RATIOS = (0.00002, 0.0001, 0.0005, 0.002, 0.01)


def zzuf_mutations(file: Path, count: int) -> Iterator[bytes]:
    """Yield copies damaged by zzuf, one per seed.

    Every second one keeps its first 64 bytes, so that its format is still recognized.
    """
    for seed in range(count):
        command = ["zzuf", "-s", str(seed), "-r", str(RATIOS[seed % len(RATIOS)])]
        if seed % 2:
            command += ["-b", "64-"]
        with open(file, "rb") as stream:
            process = subprocess.run(command, stdin=stream, capture_output=True, check=True)
        yield process.stdout


def fix_checksums(content: bytes) -> bytes:
    """Correct the checksums of a damaged PNG's chunks, so that decoders reach the damage."""
    fixed, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4])
        if end + 4 > len(content):
            break
        fixed += content[at:end] + zlib.crc32(content[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(fixed + content[at:])


def python_mutations(content: bytes, count: int) -> Iterator[bytes]:
    """Yield copies with bits flipped, parts cut out, repeated or zeroed after byte 32."""
    for seed in range(count):
        random = np.random.default_rng(seed)
        damaged = bytearray(content)
        for at in random.integers(32, len(damaged), 1 + seed % 7):
            damaged[at] ^= 1 << int(random.integers(8))
        first, second = sorted(int(at) for at in random.integers(32, len(damaged), 2))
        match seed % 4:
            case 1:
                del damaged[first:second]
            case 2:
                damaged[first:first] = damaged[first:second]
            case 3:
                damaged[first : first + 64] = bytes(64)
        yield bytes(damaged)
