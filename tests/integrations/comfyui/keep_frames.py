"""A ComfyUI node that keeps frames in a file, for the comparison with the service."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np


class KeepFrames:
    """Writes its inputs to `frames.npz` in ComfyUI's output folder."""

    CATEGORY = "test"
    FUNCTION = "keep"
    OUTPUT_NODE = True
    RETURN_TYPES: ClassVar = ()

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "frames": ("IMAGE",),
                "fps": ("FLOAT", {"forceInput": True}),
                "path": ("STRING", {"forceInput": True}),
            }
        }

    def keep(self, frames: Any, fps: float, path: str) -> dict[str, Any]:
        import folder_paths

        file = Path(folder_paths.get_output_directory(), "frames.npz")
        np.savez(file, frames=frames.numpy(), fps=fps, path=path)
        return {}


NODE_CLASS_MAPPINGS = {"KeepFrames": KeepFrames}
