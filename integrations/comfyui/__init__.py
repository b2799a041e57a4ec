"""ComfyUI nodes that animate an image with the tcan service."""

from .nodes import TcanAnimate, TcanPoses

NODE_CLASS_MAPPINGS: dict[str, type[TcanAnimate | TcanPoses]] = {
    "TcanAnimate": TcanAnimate,
    "TcanPoses": TcanPoses,
}
NODE_DISPLAY_NAME_MAPPINGS = {"TcanAnimate": "TCAN Animate", "TcanPoses": "TCAN Poses"}

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
