"""Valid files, damaged in many ways: by zzuf where many are wished, else by lines of our own."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Of all bits, from a few in the file to so many that nothing but its beginning is left.
RATIOS = (0.00002, 0.0001, 0.0005, 0.002, 0.01)


def by_zzuf(file: Path, count: int) -> Iterator[bytes]:
    """Damaged by Debian's zzuf, seed by seed.

    Every second one keeps its first 64 bytes, so that it is taken for what it was.
    """
    for seed in range(count):
        command = ["zzuf", "-s", str(seed), "-r", str(RATIOS[seed % len(RATIOS)])]
        if seed % 2:
            command += ["-b", "64-"]
        with open(file, "rb") as stream:
            process = subprocess.run(command, stdin=stream, capture_output=True, check=True)
        yield process.stdout


def with_checksums(content: bytes) -> bytes:
    """A damaged PNG whose chunks have right checksums again: what reads on meets the damage."""
    mended, at = bytearray(content[:8]), 8
    while at + 12 <= len(content):
        end = at + 8 + int.from_bytes(content[at : at + 4])
        if end + 4 > len(content):
            break
        mended += content[at:end] + zlib.crc32(content[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(mended + content[at:])


def by_hand(content: bytes, count: int) -> Iterator[bytes]:
    """Bits flipped, parts cut out, repeated or zeroed; the first 32 bytes stay."""
    for seed in range(count):
        chosen = np.random.default_rng(seed)
        damaged = bytearray(content)
        for at in chosen.integers(32, len(damaged), 1 + seed % 7):
            damaged[at] ^= 1 << int(chosen.integers(8))
        first, second = sorted(int(at) for at in chosen.integers(32, len(damaged), 2))
        match seed % 4:
            case 1:
                del damaged[first:second]
            case 2:
                damaged[first:first] = damaged[first:second]
            case 3:
                damaged[first : first + 64] = bytes(64)
        yield bytes(damaged)
