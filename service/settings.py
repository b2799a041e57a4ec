"""Settings of gateway and worker, from `TCAN_*`; with none the service runs embedded.

`tcan up` starts an embedded Valkey and leaves its address in `<data>/redis_url`, so that every part
that is given the same data folder finds it.
"""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ByteSize, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.auth.anonymous_access import Anonymous
from service.errors import SettingsError
from service.input_limits import MIB, InputLimits

PREFIX, NESTED = "TCAN_", "__"
# Of the command line and of the model; not settings of the service.
OTHERS_VARIABLES = (
    "TCAN_URL",
    "TCAN_API_KEY",
    "TCAN_TRACEBACK",
    "TCAN_MODELS",
    "TCAN_HUB_ENDPOINT",
)


class RuntimeSettings(BaseModel):
    """How the worker's model runs; what each does is told by `tcan animate --help`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    fp8_weights: bool = False
    serial_guidance: bool = False
    offload: bool = False
    tile_codec: bool = False
    channels_last: bool = False
    attention: Literal["sdpa", "xformers"] = "sdpa"
    compile: bool = False
    window_batch: int = Field(1, ge=1, description="Windows predicted together.")


class Settings(BaseSettings):
    """What differs between one machine and a cluster; nested: `TCAN_LIMITS__MAX_FRAMES`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        # As an absent one: Compose and Kubernetes hand on what nobody has set as an empty text.
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
    )

    data: Path = Field(Path(".tcan"), description="Folder of the embedded service's data and logs.")
    redis_url: SecretStr | None = Field(
        None, description="Redis or Valkey; the embedded one of the data folder when absent."
    )

    s3_bucket: str | None = Field(None, description="Where objects go; a folder when absent.")
    s3_endpoint_url: str | None = Field(None, description="Of an S3 that is not Amazon's.")
    s3_public_endpoint_url: str | None = Field(
        None, description="The same S3 as callers reach it, for signed links."
    )
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = Field(None, description="boto3's own ways when absent.")
    s3_secret_key: SecretStr | None = None
    s3_timeout_s: float = Field(
        10.0, gt=0.0, description="An S3 that is silent for this long, three times, is away."
    )

    preset: str = Field("mini", description="The weights that the worker loads.")
    weights: Path | None = Field(
        None, description="Folder of the preset's safetensors; where the preset says when absent."
    )
    device: str = Field("cpu", description="Of torch: cpu, or cuda.")
    devices: str = Field(
        "",
        description="Several in its place, with commas: cuda:0,cuda:1 share the windows of each "
        "job that a worker renders.",
    )
    detector: str | None = Field(
        None,
        description="Of poses: puppet, openpose or dwpose, with @cuda after it for a GPU; the "
        "preset's when absent.",
    )
    runtime: RuntimeSettings = Field(
        default_factory=RuntimeSettings, description="Such as TCAN_RUNTIME__DTYPE=bfloat16."
    )
    memory_limit: ByteSize | None = Field(
        None,
        gt=0,
        description="Of the device, for tensors, such as 8GiB: a worker that renders plans by it, "
        "and does not start where the model cannot fit. What a CUDA device has free when absent.",
    )
    limits: InputLimits = Field(default_factory=InputLimits)

    fetch_timeout_s: float = Field(
        60.0, gt=0.0, description="For an input that a caller names by its address."
    )
    spool_bytes: int = Field(
        3072 * MIB,
        description="Of files on their way in that a gateway holds at a time; more get 503. The "
        "disk under its data folder must hold them. At least one request of the largest size.",
    )
    link_ttl_s: int = Field(900, gt=0, description="Life of a signed link to a result.")
    lease_ms: int = Field(
        6000, ge=200, description="A worker that is silent for this long has lost its job."
    )
    checkpoint_s: float = Field(
        0.0,
        ge=0.0,
        description="The least time between two checkpoints of a job, which are otherwise as "
        "frequent as one percent of the time allows; inf keeps only those of a worker that leaves.",
    )
    stalled_s: float = Field(
        10.0,
        gt=0.0,
        description="An idle worker that takes nothing while hints wait for this long starts "
        "itself again.",
    )
    max_attempts: int = Field(3, ge=1, description="Workers that a job may lose in one queue.")
    hint_age_ms: int = Field(
        3000, ge=0, description="A job waiting this long gets another hint if none is queued."
    )

    anonymous: Anonymous = Field(
        "loopback",
        description="Who may call while there is no key: this machine alone, 'anywhere' everybody, "
        "or 'never' nobody. Once a key was made, everybody needs one.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Opens /metrics as a bearer token, as does a key with the scope admin.",
    )
    public_metrics: bool = Field(
        False, description="Whether /metrics needs neither, where nobody else reaches it."
    )
    outbound_allow: str = Field(
        "",
        description="Hosts, addresses and networks outside of the public internet that callers may "
        "name for inputs and webhooks, with commas: assets.studio.example,10.1.0.0/16",
    )
    policy: str | None = Field(
        None, description="module:object of a policy that sees each job before it is queued."
    )
    require_consent: bool = Field(
        False, description="Whether each job needs options.consent, which its manifest then tells."
    )

    webhook_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="All callers' webhook secrets come from it; a file of the data folder when "
        "absent. The same in every gateway.",
    )
    webhook_ed25519_keys: SecretStr | None = Field(
        None, description="whsk_ keys with spaces between them; each adds a signature v1a."
    )

    c2pa: bool = Field(True, description="Whether results carry a signed C2PA manifest.")
    c2pa_cert: Path | None = Field(
        None,
        description="PEM of the certificate that signs results and of its issuers; one for "
        "development is made when absent. Read by workers alone.",
    )
    c2pa_key: Path | None = Field(None, description="PEM of its private key.")
    watermark: bool = Field(True, description="Whether pictures carry an imperceptible mark.")
    watermark_key: SecretStr | None = Field(
        None, description="Who has it finds the marks; the one that all know when absent."
    )

    otlp_endpoint: str | None = Field(
        None, description="Where traces go, such as http://collector:4318/v1/traces."
    )

    def broker_url(self) -> str:
        """The server's address. Raises SettingsError when no server is known."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        try:
            return self.embedded_url_file.read_text().strip()
        except FileNotFoundError:
            raise SettingsError(
                f"no Redis is known: set TCAN_REDIS_URL, or start the embedded one with "
                f"'tcan up --data {self.data}'"
            ) from None

    @property
    def all_devices(self) -> tuple[str, ...]:
        """Those of `devices`, or the one of `device`."""
        names = tuple(name.strip() for name in self.devices.split(",") if name.strip())
        return names or (self.device,)

    @property
    def embedded_url_file(self) -> Path:
        """Where `tcan up` leaves the address of its Valkey; readable by its owner alone."""
        return self.data / "redis_url"

    @property
    def objects_folder(self) -> Path:
        """The folder store's files."""
        return self.data / "objects"

    @property
    def spool_folder(self) -> Path:
        """Uploads on their way in and jobs at work; on one file system with the objects."""
        return self.data / "spool"

    @property
    def signing_key_file(self) -> Path:
        """The secret under the folder store's links; readable by its owner alone."""
        return self.data / "signing.key"

    @property
    def c2pa_folder(self) -> Path:
        """The development certificate and its key; readable by their owner alone."""
        return self.data / "c2pa"

    @property
    def webhook_key_file(self) -> Path:
        """The key that webhooks' secrets come from; readable by its owner alone."""
        return self.data / "webhook.key"


def load_settings(**overrides: Any) -> Settings:
    """The settings of the environment, with some values given by the caller.

    Raises:
        SettingsError: a value is out of its bounds, or a variable's name is not known.
    """
    known = set(Settings.model_fields)
    for name in sorted(os.environ):
        field = name.lower().removeprefix(PREFIX.lower()).split(NESTED)[0]
        if name.upper().startswith(PREFIX) and field not in known and name not in OTHERS_VARIABLES:
            close = get_close_matches(field, known, 1)
            hint = f"; did you mean {PREFIX}{close[0].upper()}?" if close else ""
            raise SettingsError(f"there is no setting {name}{hint}")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        complaint = error.errors(include_url=False, include_input=False)[0]
        name = NESTED.join(str(step) for step in complaint["loc"])
        raise SettingsError(f"{PREFIX}{name.upper()}: {complaint['msg']}") from error
