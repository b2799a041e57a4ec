"""Open the storage that an address names: a folder, or a bucket in S3."""

from __future__ import annotations

from pathlib import Path

from tcan_core.errors import ConfigError
from tcan_core.training.storage import FolderStorage, Storage

S3 = "s3://"


def open_storage(address: str) -> Storage:
    """Return the storage of a folder, or of `s3://bucket/prefix`.

    Raises:
        ConfigError: the address names no bucket, or has another scheme.
    """
    if address.startswith(S3):
        bucket, _, prefix = address.removeprefix(S3).partition("/")
        if not bucket:
            raise ConfigError(f"{address}: no bucket; write s3://bucket/prefix")
        from tcan_core.training.s3 import S3Storage, make_client  # boto3 takes time to import

        return S3Storage(make_client(), bucket, prefix.strip("/"))
    if "://" in address:
        raise ConfigError(f"{address}: unknown scheme; use a folder or s3://bucket/prefix")
    return FolderStorage(Path(address))
