"""Open the object store that the settings name."""

from __future__ import annotations

from functools import partial

from service.settings import Settings
from service.stores.object_store.base import ObjectStore
from service.stores.object_store.folder import FolderObjects, read_signing_key


def open_objects(settings: Settings) -> ObjectStore:
    """Return the store that the settings name: S3 if a bucket is set, else the data folder."""
    if settings.s3_bucket is not None:
        # Imported here because boto3 takes 0.4 s, which processes without a bucket do not need.
        from service.stores.object_store.s3 import S3Objects

        return S3Objects.connect(settings)
    return FolderObjects(
        settings.objects_folder,
        partial(read_signing_key, settings.signing_key_file),
        link_ttl_s=settings.link_ttl_s,
        base_url=settings.public_url,
    )
