"""Objects in S3, or in a server with the same API."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

import boto3
import httpx
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import get_session

from service.errors import ServiceError, UnavailableError
from service.settings import Settings
from service.stores.object_store.base import (
    Content,
    Copy,
    New,
    ObjectChangedError,
    ObjectMissingError,
    UploadForm,
    Version,
    checked,
    content_type,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectTypeDef

MISSING = ("404", "NoSuchKey", "NotFound")
CHANGED = ("412", "PreconditionFailed")
NOT_IMPLEMENTED = 501
PROBE_TTL_S = 300
# Concurrent parts of a large file; each needs memory (boto3's default is 10).
TRANSFER = TransferConfig(max_concurrency=2, multipart_chunksize=8 * 1024 * 1024)


class S3Objects:
    """One object per key of a bucket.

    Args:
        client: S3 client with the endpoint that this process uses.
        public: signs links, with the endpoint that callers use.
        bucket: must exist.
        link_ttl_s: lifetime of a link.
        probe_forms: sends a form to the server and returns whether it accepts forms, None if that
            stays unknown; Amazon's S3 needs no probe.
    """

    def __init__(
        self,
        client: S3Client,
        public: S3Client,
        bucket: str,
        *,
        link_ttl_s: int = 900,
        probe_forms: Callable[[UploadForm], bool | None] | None = None,
    ) -> None:
        self._client = client
        self._public = public
        self._bucket = bucket
        self._link_ttl_s = link_ttl_s
        self._probe_forms = probe_forms
        self._accepts_forms = True if probe_forms is None else None

    @classmethod
    def connect(cls, settings: Settings) -> S3Objects:
        """Return the store that the settings name; connects with the first request."""
        assert settings.s3_bucket is not None
        endpoint_url = settings.s3_endpoint_url
        client = make_client(settings, endpoint_url)
        public = settings.s3_public_endpoint_url
        return cls(
            client,
            client if public is None else make_client(settings, public),
            settings.s3_bucket,
            link_ttl_s=settings.link_ttl_s,
            probe_forms=None if endpoint_url is None else partial(_accepts_form, settings),
        )

    def put(self, key: str, content: Content) -> None:
        """Upload an object, a large file in parts."""
        media_type = content_type(key)
        with _map_errors(key):
            if isinstance(content, bytes):
                self._client.put_object(
                    Bucket=self._bucket, Key=checked(key), Body=content, ContentType=media_type
                )
                return
            extra = {"ContentType": media_type}
            self._client.upload_file(
                str(content), self._bucket, checked(key), ExtraArgs=extra, Config=TRANSFER
            )

    def put_new(self, objects: Mapping[str, New]) -> None:
        """Store objects one after the other; S3 writes are durable when answered.

        Raises:
            ObjectChangedError: the source of a copy was deleted or changed.
        """
        for key, new in objects.items():
            if isinstance(new, Copy):
                self._copy(new, key)
            else:
                self.put(key, new)

    def _copy(self, copy: Copy, key: str) -> None:
        try:
            self._client.copy_object(
                Bucket=self._bucket,
                Key=checked(key),
                CopySource={"Bucket": self._bucket, "Key": checked(copy.source)},
                CopySourceIfMatch=copy.tag,
                ContentType=content_type(key),
                MetadataDirective="REPLACE",
            )
        except (BotoCoreError, ClientError) as error:
            if _code(error) in (*MISSING, *CHANGED):
                raise ObjectChangedError(copy.source) from error
            raise _mapped(error, copy.source) from error

    def fetch(self, key: str, file: Path) -> None:
        """Download the object. Raises ObjectMissingError."""
        with _map_errors(key):
            self._client.download_file(self._bucket, checked(key), str(file), Config=TRANSFER)

    def exists(self, key: str) -> bool:
        """Return whether the object exists."""
        try:
            self.version(key)
        except ObjectMissingError:
            return False
        return True

    def version(self, key: str) -> Version:
        """Return the object's size and ETag. Raises ObjectMissingError."""
        with _map_errors(key):
            head = self._client.head_object(Bucket=self._bucket, Key=checked(key))
        return Version(head["ContentLength"], head["ETag"])

    def form(self, key: str, max_bytes: int, ttl_s: int) -> UploadForm | None:
        """Return a presigned POST to S3, which enforces the number of bytes.

        None if the server implements no POST, which the first call finds out by trying one, or
        does not answer.
        """
        if self._accepts_forms is None:
            self._accepts_forms = self._try_form()
        return self._form(self._public, key, max_bytes, ttl_s) if self._accepts_forms else None

    def check(self) -> None:
        """Check that the bucket exists and the key may use it."""
        try:
            self._client.head_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as error:
            if _code(error) in MISSING:
                raise UnavailableError(f"there is no bucket {self._bucket!r}") from error
            raise _mapped(error, self._bucket) from error

    def _try_form(self) -> bool | None:
        key = f"probes/{token_hex(8)}"
        assert self._probe_forms is not None
        accepted = self._probe_forms(self._form(self._client, key, 1, PROBE_TTL_S))
        if accepted:
            with _map_errors(key):
                self._client.delete_object(Bucket=self._bucket, Key=key)
        return accepted

    def _form(self, client: S3Client, key: str, max_bytes: int, ttl_s: int) -> UploadForm:
        made = client.generate_presigned_post(
            self._bucket,
            checked(key),
            Conditions=[["content-length-range", 1, max_bytes]],
            ExpiresIn=ttl_s,
        )
        return UploadForm(made["url"], made["fields"])

    def delete(self, prefix: str) -> None:
        """Delete every object under `prefix`."""
        with _map_errors(prefix):
            for entry in self._entries(prefix):
                self._client.delete_object(Bucket=self._bucket, Key=entry["Key"])

    def folders(self, prefix: str) -> Iterator[str]:
        """Yield the names of the folders in `prefix`, fetched page by page."""
        pages = self._client.get_paginator("list_objects_v2")
        whole = f"{prefix}/"
        with _map_errors(prefix):
            for page in pages.paginate(Bucket=self._bucket, Prefix=whole, Delimiter="/"):
                for entry in page.get("CommonPrefixes", ()):
                    yield entry["Prefix"].removeprefix(whole).rstrip("/")

    def age_s(self, prefix: str) -> float | None:
        """Return the age of the newest object under `prefix`, by this machine's clock."""
        with _map_errors(prefix):
            stored = [entry["LastModified"] for entry in self._entries(prefix)]
        return (datetime.now(UTC) - max(stored)).total_seconds() if stored else None

    def link(self, key: str, filename: str, method: str = "GET") -> str:
        """Return a presigned URL of S3, which signs the method too."""
        parameters = {
            "Bucket": self._bucket,
            "Key": checked(key),
            "ResponseContentType": content_type(key),
            "ResponseContentDisposition": f'inline; filename="{filename}"',
        }
        return self._public.generate_presigned_url(
            "get_object", Params=parameters, ExpiresIn=self._link_ttl_s, HttpMethod=method
        )

    def _entries(self, prefix: str) -> Iterator[ObjectTypeDef]:
        pages = self._client.get_paginator("list_objects_v2")
        for page in pages.paginate(Bucket=self._bucket, Prefix=f"{checked(prefix)}/"):
            yield from page.get("Contents", ())


def make_client(settings: Settings, endpoint_url: str | None) -> S3Client:
    """Return a client with timeouts of seconds instead of boto3's minutes."""
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"} if endpoint_url else {},
        connect_timeout=min(3.0, settings.s3_timeout_s),
        read_timeout=settings.s3_timeout_s,
        retries={"total_max_attempts": 3, "mode": "standard"},
        # Other servers than Amazon's refuse checksums that boto3 would send with every object.
        request_checksum_calculation="when_required" if endpoint_url else None,
        response_checksum_validation="when_required" if endpoint_url else None,
    )
    secrets: dict[str, Any] = {}
    if settings.s3_access_key is not None and settings.s3_secret_key is not None:
        secrets["aws_access_key_id"] = settings.s3_access_key.get_secret_value()
        secrets["aws_secret_access_key"] = settings.s3_secret_key.get_secret_value()
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=settings.s3_region,
        config=config,
        verify=None if settings.s3_ca is None else str(settings.s3_ca),
        **secrets,
    )


def tls_context(settings: Settings) -> ssl.SSLContext | bool:
    """Return how httpx checks the S3 server's certificate: by the same issuers as boto3."""
    ca_file = settings.s3_ca or get_session().get_config_variable("ca_bundle")
    return True if ca_file is None else ssl.create_default_context(cafile=ca_file)


def _accepts_form(settings: Settings, form: UploadForm) -> bool | None:
    """Upload one byte by a form; return whether it was accepted, None without a real answer."""
    try:
        response = httpx.post(
            form.url,
            data=form.fields,
            files={"file": b"1"},
            timeout=settings.s3_timeout_s,
            verify=tls_context(settings),
        )
    except httpx.HTTPError:
        return None
    if response.is_server_error and response.status_code != NOT_IMPLEMENTED:
        return None
    return response.is_success


@contextmanager
def _map_errors(key: str) -> Iterator[None]:
    try:
        yield
    except (BotoCoreError, Boto3Error, ClientError) as error:
        raise _mapped(error, key) from error


def _mapped(error: Exception, key: str) -> ServiceError:
    if _code(error) in MISSING:
        return ObjectMissingError(key)
    refused = "refuses a request" if isinstance(error, ClientError) else "does not answer"
    return UnavailableError(f"the object store {refused}: {error}")


def _code(error: Exception) -> str:
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""
