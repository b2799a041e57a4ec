"""Settings of gateway and worker, from environment variables `TCAN_*`.

Without any, the service runs embedded: `tcan up` starts a Valkey and writes its URL to
`<data>/redis_url`, where every process with the same data folder finds it.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ByteSize,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    field_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from service.contract.callers import Anonymous
from service.errors import SettingsError
from service.http_limits import HttpLimits
from service.input_limits import MIB, InputLimits
from service.outbound.guard import Guard

PREFIX, NESTED = "TCAN_", "__"
HTTP_URL = r"^https?://[^/\s]+"
# Variables of the command line and of the model, which are no settings of the service.
OTHER_VARIABLES = ("TCAN_URL", "TCAN_API_KEY", "TCAN_TRACEBACK", "TCAN_MODELS", "TCAN_HUB_ENDPOINT")


ORIGIN = r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?"
BASE_URL = rf"{ORIGIN}(/[^\s?#]*)?"


class RuntimeSettings(BaseModel):
    """How the worker runs the model; `tcan animate --help` explains each option."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["float32", "float16", "bfloat16"] = "float32"
    fp8_weights: bool = False
    serial_guidance: bool = False
    offload: bool = False
    tile_codec: bool = False
    channels_last: bool = False
    attention: Literal["sdpa", "xformers"] = "sdpa"
    compile: bool = False
    window_batch: int = Field(1, ge=1, description="Context windows per UNet call.")


class Settings(BaseSettings):
    """Settings of a deployment; nested ones are named like `TCAN_LIMITS__MAX_FRAMES`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        # Compose and Kubernetes pass unset variables as empty strings.
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
    )

    data: Path = Field(Path(".tcan"), description="Folder of the embedded service's data and logs.")
    redis_url: SecretStr | None = Field(
        None, description="URL of Redis or Valkey; the embedded one of the data folder when absent."
    )

    s3_bucket: str | None = Field(
        None, description="Bucket of the objects; a local folder when absent."
    )
    s3_endpoint_url: str | None = Field(
        None, pattern=HTTP_URL, description="URL of an S3 server other than Amazon's."
    )
    s3_public_endpoint_url: str | None = Field(
        None,
        pattern=HTTP_URL,
        description="URL of the same S3 server for callers, used in signed links.",
    )
    s3_ca: FilePath | None = Field(
        None,
        description="PEM file of the issuers of the S3 server's certificate; those of public "
        "certificates when absent.",
    )
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = Field(
        None, description="Access key; boto3's credential chain when absent."
    )
    s3_secret_key: SecretStr | None = None
    s3_timeout_s: float = Field(
        10.0,
        gt=0.0,
        description="Timeout of an S3 request; after three of them S3 counts as unavailable.",
    )

    preset: str = Field("mini", description="Preset of weights that the worker loads.")
    weights: Path | None = Field(
        None, description="Folder of the preset's safetensors files; the preset's own when absent."
    )
    device: str = Field("cpu", description="Torch device: cpu or cuda.")
    devices: str = Field(
        "",
        description="Several devices in place of `device`, separated by commas, such as "
        "cuda:0,cuda:1; they share the context windows of each job.",
    )
    detector: str | None = Field(
        None,
        description="Pose detector: puppet, movenet, dwpose, openpose or auto, with the suffix "
        "@cuda for a GPU; the preset's when absent.",
    )
    runtime: RuntimeSettings = Field(
        default_factory=RuntimeSettings,
        description="Model options, such as TCAN_RUNTIME__DTYPE=bfloat16.",
    )
    memory_limit: ByteSize | None = Field(
        None,
        gt=0,
        description="Device memory limit for tensors, such as 8GiB. Workers that render choose "
        "options that fit, and do not start if none fit. A CUDA device's free memory when absent.",
    )
    limits: InputLimits = Field(
        default_factory=InputLimits,
        description="Limits on inputs, such as TCAN_LIMITS__MAX_FRAMES.",
    )

    http: HttpLimits = Field(
        default_factory=HttpLimits,
        description="Limits on connections and streams of a gateway, such as "
        "TCAN_HTTP__CONNECTIONS.",
    )

    fetch_timeout_s: float = Field(
        60.0, gt=0.0, description="Timeout for downloading an input URL."
    )
    spool_bytes: int = Field(
        3072 * MIB,
        description="Bytes of incoming files that a gateway holds on disk at a time; requests over "
        "it get 503. It must allow one request of the largest size.",
    )
    link_ttl_s: int = Field(900, gt=0, description="Lifetime of a signed link to a result.")
    lease_ms: int = Field(
        6000,
        ge=200,
        description="Lease of a job; without renewal for this long, its worker loses it.",
    )
    checkpoint_s: float = Field(
        0.0,
        ge=0.0,
        description="Minimum time between two checkpoints of a job. By default they may take one "
        "percent of the time; inf saves one only when a worker shuts down.",
    )
    stalled_s: float = Field(
        10.0,
        gt=0.0,
        description="An idle worker that claims nothing for this long while jobs wait restarts "
        "itself.",
    )
    max_attempts: int = Field(
        3, ge=1, description="Attempts of a job in one queue before it fails with `worker_lost`."
    )
    hint_age_ms: int = Field(
        3000,
        ge=0,
        description="A job waiting this long gets another wake-up message if none is queued.",
    )

    public_url: str = Field(
        "",
        description="URL under which callers reach the service, such as https://tcan.example; "
        "links in answers and webhooks begin with it. They are paths when it is empty.",
    )
    cors_origins: str = Field(
        "",
        description="Origins of web pages that may call the service from a browser, separated by "
        "commas: https://studio.example; * allows every page.",
    )
    anonymous: Anonymous = Field(
        "loopback",
        description="Access without a key while no key exists: 'loopback' (this machine only), "
        "'anywhere' or 'never'. Once a key was created, every request needs one.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="Bearer token for /metrics; keys with the scope admin also give access.",
    )
    public_metrics: bool = Field(
        False, description="Whether /metrics needs no token or key; for private networks."
    )
    outbound_allow: str = Field(
        "",
        description="Hosts, addresses and networks outside the public internet that callers may "
        "use for inputs and webhooks, separated by commas: assets.studio.example,10.1.0.0/16",
    )
    policy: str | None = Field(
        None, description="module:object of a policy that checks each job before it is queued."
    )
    require_consent: bool = Field(
        False,
        description="Whether each job must have options.consent, which is copied to its manifest.",
    )

    webhook_key: SecretStr | None = Field(
        None,
        min_length=32,
        description="Key from which all callers' webhook secrets are derived; must be the same in "
        "every gateway. A file in the data folder when absent.",
    )
    webhook_ed25519_keys: SecretStr | None = Field(
        None, description="whsk_ keys separated by spaces; each adds a signature v1a."
    )

    c2pa: bool = Field(True, description="Whether results carry a signed C2PA manifest.")
    c2pa_cert: Path | None = Field(
        None,
        description="PEM file of the signing certificate and its issuers; a development "
        "certificate is generated when absent. Read by workers only.",
    )
    c2pa_key: Path | None = Field(None, description="PEM file of the private key.")
    watermark: bool = Field(True, description="Whether frames carry an invisible watermark.")
    watermark_key: SecretStr | None = Field(
        None, description="Key that detects the watermark; a public default key when absent."
    )

    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level of the log lines of gateway and worker."
    )
    otlp_endpoint: str | None = Field(
        None,
        pattern=HTTP_URL,
        description="URL that receives traces, such as http://collector:4318/v1/traces.",
    )

    @field_validator("log_level", mode="before")
    @classmethod
    def _in_lower_case(cls, level: object) -> object:
        return level.lower() if isinstance(level, str) else level

    @field_validator("redis_url")
    @classmethod
    def _is_redis_url(cls, url: SecretStr | None) -> SecretStr | None:
        text = "" if url is None else url.get_secret_value()
        if text and not text.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError("must begin with redis://, rediss:// or unix://")
        try:
            urlsplit(text).port  # noqa: B018 - raises ValueError for an invalid port
        except ValueError:
            # Without the cause, which may show a part of the password.
            raise ValueError(
                "cannot be parsed; write it like redis://:PASSWORD@host:6379/0, with special "
                "characters of the password in percent-encoding, such as %23 for #"
            ) from None
        return url

    @field_validator("public_url")
    @classmethod
    def _is_base_url(cls, url: str) -> str:
        if url and not re.fullmatch(BASE_URL, url):
            raise ValueError(f"must be like https://tcan.example or https://host/tcan, got {url!r}")
        return url.rstrip("/")

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, text: str) -> str:
        for origin in _words(text):
            if origin != "*" and not re.fullmatch(ORIGIN, origin):
                raise ValueError(
                    f"must be like https://studio.example (scheme, full host name, port if any), "
                    f"or * alone for all pages, got {origin!r}"
                )
        return text

    @field_validator("outbound_allow")
    @classmethod
    def _are_hosts_or_networks(cls, text: str) -> str:
        Guard.allowing(text)
        return text

    @property
    def all_cors_origins(self) -> tuple[str, ...]:
        """The origins of `cors_origins`."""
        return _words(self.cors_origins)

    def broker_url(self) -> str:
        """Return the URL of Redis. Raises SettingsError when none is configured."""
        if self.redis_url is not None:
            return self.redis_url.get_secret_value()
        try:
            return self.embedded_url_file.read_text().strip()
        except FileNotFoundError:
            raise SettingsError(
                f"no Redis is configured: set TCAN_REDIS_URL, or start the embedded one with "
                f"'tcan up --data {self.data}'"
            ) from None

    @property
    def all_devices(self) -> tuple[str, ...]:
        """The devices of `devices`, or else `device`."""
        return _words(self.devices) or (self.device,)

    @property
    def embedded_url_file(self) -> Path:
        """File with the URL of the embedded Valkey; readable by its owner only."""
        return self.data / "redis_url"

    @property
    def objects_folder(self) -> Path:
        """Files of the folder store."""
        return self.data / "objects"

    @property
    def spool_folder(self) -> Path:
        """Incoming files and files of running jobs; on the same file system as the objects."""
        return self.data / "spool"

    @property
    def signing_key_file(self) -> Path:
        """Secret that signs links of the folder store; readable by its owner only."""
        return self.data / "signing.key"

    @property
    def c2pa_folder(self) -> Path:
        """Development certificate and its key; readable by their owner only."""
        return self.data / "c2pa"

    @property
    def webhook_key_file(self) -> Path:
        """Key from which webhook secrets are derived; readable by its owner only."""
        return self.data / "webhook.key"


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def load_settings(**overrides: Any) -> Settings:
    """Read the settings from the environment, with overrides.

    Raises:
        SettingsError: a value is invalid, or a variable's name is unknown.
    """
    fields = set(Settings.model_fields)
    for name in sorted(os.environ):
        field = name.lower().removeprefix(PREFIX.lower()).split(NESTED)[0]
        if name.upper().startswith(PREFIX) and field not in fields and name not in OTHER_VARIABLES:
            close = get_close_matches(field, fields, 1)
            hint = f"; did you mean {PREFIX}{close[0].upper()}?" if close else ""
            raise SettingsError(f"unknown setting {name}{hint}")
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise SettingsError(_described(error)) from error
    except SourceError as error:
        raise SettingsError(f"{error}; it must be JSON, or set its fields one by one") from error


def _described(error: ValidationError) -> str:
    """Return the first problem with the variable's name and value; without that of a secret."""
    first = error.errors(include_url=False)[0]
    name = NESTED.join(str(step) for step in first["loc"])
    message, value = first["msg"].removeprefix("Value error, "), repr(first["input"])
    field = Settings.model_fields.get(str(first["loc"][0]))
    is_secret = field is not None and SecretStr in (field.annotation, *get_args(field.annotation))
    is_shown = not is_secret and first["type"] != "value_error"  # the validators' own name it
    return f"{PREFIX}{name.upper()}: {message}{f', got {value}' if is_shown else ''}"
