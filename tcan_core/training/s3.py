"""Training files in S3, the only module of `tcan_core` that imports boto3."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tcan_core.errors import ConfigError, StorageError
from tcan_core.training.storage import checked_name

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

PREFIX = "TCAN_S3_"
DEFAULT_REGION, DEFAULT_TIMEOUT_S, CONNECT_TIMEOUT_S = "us-east-1", 10.0, 3.0
TRANSFER = TransferConfig(multipart_chunksize=64 * 1024 * 1024)


def make_client() -> S3Client:
    """Return a client that fails within seconds, not after boto3's minutes.

    It reads the service's variables: `TCAN_S3_ENDPOINT_URL`, `TCAN_S3_CA`, `TCAN_S3_REGION`,
    `TCAN_S3_ACCESS_KEY`, `TCAN_S3_SECRET_KEY` and `TCAN_S3_TIMEOUT_S`. Without keys boto3 looks
    for them in its own places.

    Raises:
        ConfigError: `TCAN_S3_TIMEOUT_S` is not a positive number.
    """
    endpoint_url = _variable("ENDPOINT_URL")
    timeout_s = _timeout_s(_variable("TIMEOUT_S"))
    access_key, secret_key = _variable("ACCESS_KEY"), _variable("SECRET_KEY")
    has_keys = access_key is not None and secret_key is not None
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=_variable("REGION") or DEFAULT_REGION,
        aws_access_key_id=access_key if has_keys else None,
        aws_secret_access_key=secret_key if has_keys else None,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"} if endpoint_url else {},
            connect_timeout=min(CONNECT_TIMEOUT_S, timeout_s),
            read_timeout=timeout_s,
            retries={"total_max_attempts": 3, "mode": "standard"},
            # Other servers than Amazon's refuse checksums that boto3 would send.
            request_checksum_calculation="when_required" if endpoint_url else None,
            response_checksum_validation="when_required" if endpoint_url else None,
        ),
        verify=_variable("CA"),
    )


def _variable(name: str) -> str | None:
    return os.environ.get(f"{PREFIX}{name}") or None


def _timeout_s(text: str | None) -> float:
    try:
        timeout_s = DEFAULT_TIMEOUT_S if text is None else float(text)
    except ValueError:
        timeout_s = 0.0
    if timeout_s <= 0:
        raise ConfigError(f"{PREFIX}TIMEOUT_S is {text!r}; it must be a positive number of seconds")
    return timeout_s


class S3Storage:
    """Files under a prefix of a bucket; see `Storage`.

    S3 shows an object only when all of it has arrived: an interrupted upload changes nothing.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client, self._bucket = client, bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def put(self, name: str, file: Path) -> None:
        """See `Storage.put`."""
        with self._mapped_errors(name):
            self._client.upload_file(str(file), self._bucket, self._key(name), Config=TRANSFER)

    def fetch(self, name: str, file: Path) -> bool:
        """See `Storage.fetch`."""
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._mapped_errors(name):
            try:  # boto3 downloads under another name and renames
                self._client.download_file(self._bucket, self._key(name), str(file))
            except ClientError as error:
                if error.response["Error"].get("Code") not in ("404", "NoSuchKey", "NotFound"):
                    raise
                return False
        return True

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        with self._mapped_errors(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def names(self, prefix: str = "") -> list[str]:
        """See `Storage.names`."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._mapped_errors(prefix):
            names = [
                entry["Key"].removeprefix(self._prefix)
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
                for entry in page.get("Contents", ())
            ]
        return sorted(names)

    def _key(self, name: str) -> str:
        return self._prefix + checked_name(name)

    @contextmanager
    def _mapped_errors(self, name: str) -> Iterator[None]:
        """Raise boto3's errors as StorageError."""
        try:
            yield
        except (BotoCoreError, Boto3Error, ClientError) as error:
            address = f"s3://{self._bucket}/{self._prefix}{name}"
            raise StorageError(f"{address}: the object store does not answer ({error})") from error
