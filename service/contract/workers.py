"""What a worker says of itself while it lives."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.contract.queues import Queue


class ModelInfo(BaseModel):
    """A loaded model."""

    model_config = ConfigDict(frozen=True)

    preset: str
    description: str
    resolution: int = Field(description="Side of the pictures that it was trained on, in pixels.")
    num_inference_steps: int = Field(description="Used when a caller says nothing.")
    guidance_scale: float = Field(description="Used when a caller says nothing.")
    weights: dict[str, str] = Field(description="sha256 of each part's file.")
    stand_ins: dict[str, str] = Field(
        default_factory=dict,
        description="Parts without weights of their own, and the part that stands in for each; "
        "`nothing` where it is left out.",
    )
    zero_shot: bool = Field(
        default=False,
        description="No part was trained by TCAN: reference attention works on a plain model.",
    )
    versions: dict[str, str] = Field(description="Of this project and the libraries below it.")


class DeviceMemory(BaseModel):
    """Memory of a worker's device; of its process where the device is the processor."""

    model_config = ConfigDict(frozen=True)

    device: str
    used_bytes: int
    total_bytes: int


class DiskSpace(BaseModel):
    """Of the file system that a folder lies on."""

    model_config = ConfigDict(frozen=True)

    free_bytes: int
    total_bytes: int


class WorkerInfo(BaseModel):
    """One worker's last heartbeat."""

    model_config = ConfigDict(frozen=True)

    id: str
    queues: tuple[Queue, ...]
    preset: str
    contract: int = 1
    """The latest that it knows; jobs of later ones are left to others."""
    ready: bool
    """All that its queues need is loaded, and it consumes them."""
    stalled: bool = False
    """It takes nothing although hints wait, and is about to start itself again."""
    model: ModelInfo | None = None
    """None until it is loaded, and of a worker that only prepares, which loads none."""
    memory: DeviceMemory | None = None
    scratch: DiskSpace | None = None
    """Where the files of its jobs are while it works on them."""
