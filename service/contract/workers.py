"""Status that workers report in their heartbeats."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.contract.queues import Queue


class ModelInfo(BaseModel):
    """A loaded model."""

    model_config = ConfigDict(frozen=True)

    preset: str
    description: str
    resolution: int = Field(description="Side of the training images, in pixels.")
    num_inference_steps: int = Field(description="Default of the preset.")
    guidance_scale: float = Field(description="Default of the preset.")
    context_size: int | None = Field(
        default=None, description="Default of the preset, in frames; absent for older workers."
    )
    context_overlap: int | None = Field(default=None, description="Default of the preset.")
    ptm_tau: float | None = Field(default=None, description="Default of the preset.")
    scheduler: str | None = Field(default=None, description="Default of the preset.")
    weights: dict[str, str] = Field(description="SHA-256 of each part's file.")
    stand_ins: dict[str, str] = Field(
        default_factory=dict,
        description="Parts without own weights, with the part used in place of each, or `nothing` "
        "if it is left out.",
    )
    zero_shot: bool = Field(
        default=False,
        description="No part was trained for TCAN: reference attention on a plain model.",
    )
    versions: dict[str, str] = Field(description="Versions of this project and its libraries.")
    licenses: tuple[str, ...] = Field(
        default=(),
        description="Licences of its weights, as their publishers name them; none for weights of "
        "your own and for older workers.",
    )

    def identity(self) -> str:
        """Return as JSON what decides the results of the model, which its licences do not."""
        return self.model_dump_json(exclude={"licenses"})


class DeviceMemory(BaseModel):
    """Memory of a worker's device, or of its process on a CPU."""

    model_config = ConfigDict(frozen=True)

    device: str
    used_bytes: int
    total_bytes: int


class DiskSpace(BaseModel):
    """Space of the file system of a folder."""

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
    """Its contract version; it skips jobs of later versions."""
    ready: bool
    """Whether it has loaded what its queues need and consumes them."""
    stalled: bool = False
    """Whether it takes no jobs although wake-up messages wait; it is about to restart."""
    model: ModelInfo | None = None
    """None until it is loaded, and for workers that only prepare."""
    memory: DeviceMemory | None = None
    scratch: DiskSpace | None = None
    """File system of its working files."""
