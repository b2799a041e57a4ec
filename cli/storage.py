"""Places for checkpoints and training data: folders, and S3 with the service's settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

    from tcan_core.training.storage import Storage

S3 = "s3://"
PART_BYTES = 64 * 1024 * 1024


def open_place(place: str) -> Storage:
    """Return the storage of a folder, or of `s3://bucket/prefix`.

    S3 is reached as `TCAN_S3_ENDPOINT_URL`, `TCAN_S3_ACCESS_KEY` and `TCAN_S3_SECRET_KEY` say, or
    in boto3's own ways.

    Raises:
        ConfigError: the address names no bucket, or is of another kind.
        SettingsError: a setting is wrong.
    """
    from tcan_core.errors import ConfigError
    from tcan_core.training.storage import open_folder

    if not place.startswith(S3):
        return open_folder(place)
    bucket, _, prefix = place.removeprefix(S3).partition("/")
    if not bucket:
        raise ConfigError(f"{place}: no bucket; write s3://bucket/prefix")

    from service.settings import load_settings
    from service.stores.object_store.s3 import make_client

    settings = load_settings()
    return S3Storage(make_client(settings, settings.s3_endpoint_url), bucket, prefix.strip("/"))


class S3Storage:
    """Files under a prefix of a bucket; see `tcan_core.training.storage.Storage`.

    S3 shows an object when all of it has arrived: an upload that breaks off changes nothing.
    """

    def __init__(self, client: S3Client, bucket: str, prefix: str) -> None:
        self._client, self._bucket = client, bucket
        self._prefix = f"{prefix}/" if prefix else ""

    def put(self, name: str, file: Path) -> None:
        """See `Storage.put`."""
        from boto3.s3.transfer import TransferConfig

        parts = TransferConfig(multipart_chunksize=PART_BYTES)
        with self._told(name):
            self._client.upload_file(str(file), self._bucket, self._key(name), Config=parts)

    def fetch(self, name: str, file: Path) -> bool:
        """See `Storage.fetch`."""
        from botocore.exceptions import ClientError

        file.parent.mkdir(parents=True, exist_ok=True)
        with self._told(name):
            try:  # boto3 downloads under another name and renames
                self._client.download_file(self._bucket, self._key(name), str(file))
            except ClientError as error:
                if error.response["Error"].get("Code") not in ("404", "NoSuchKey", "NotFound"):
                    raise
                return False
        return True

    def remove(self, name: str) -> None:
        """See `Storage.remove`."""
        with self._told(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(name))

    def names(self, prefix: str = "") -> list[str]:
        """See `Storage.names`."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._told(prefix):
            found = [
                entry["Key"].removeprefix(self._prefix)
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._prefix + prefix)
                for entry in page.get("Contents", ())
            ]
        return sorted(found)

    def _key(self, name: str) -> str:
        from tcan_core.training.storage import checked_name

        return self._prefix + checked_name(name)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Map what S3 and the line to it say."""
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError

        from tcan_core.errors import StorageError

        try:
            yield
        except (BotoCoreError, Boto3Error, ClientError) as error:
            where = f"{S3}{self._bucket}/{self._prefix}{name}"
            raise StorageError(f"{where}: the object store does not answer ({error})") from error
