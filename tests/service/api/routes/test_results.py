"""Results by signed URLs, on each store: whole, in ranges, and expired."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import httpx
import pytest
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session

from service.auth.sessions import COOKIE
from service.contract.job import Output
from service.settings import Settings
from service.stores.job_store.store import JobStore
from service.stores.object_store.open import open_objects
from service.stores.object_store.s3 import make_client
from tcan_client import Client
from tests.servers import GUARD_S, S3Server, wait_until
from tests.service.gateway import running_gateway
from tests.service.job_driver import OUTPUTS, JobDriver

CONTENT = bytes(range(256)) * 1000


class Answer(NamedTuple):
    """The response of any HTTP client."""

    status: int
    headers: dict[str, str]
    content: bytes


Fetch = Callable[[str, dict[str, str]], Answer]


def plain(url: str, headers: dict[str, str]) -> Answer:
    """Fetch with the standard library."""
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=GUARD_S) as got:
            return Answer(got.status, lowered(got.headers), got.read())
    except HTTPError as refused:
        with refused:
            return Answer(refused.code, lowered(refused.headers), refused.read())


def botos(url: str, headers: dict[str, str]) -> Answer:
    """Fetch with botocore's HTTP client."""
    got = URLLib3Session().send(AWSRequest("GET", url, headers=headers).prepare())
    return Answer(got.status_code, lowered(got.headers), got.content)


def lowered(headers: object) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in dict(headers).items()}  # type: ignore[call-overload]


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Does not follow redirects."""

    def redirect_request(self, *known: object) -> None:
        return None


@pytest.fixture(params=[plain, botos])
def fetch(request: pytest.FixtureRequest) -> Fetch:
    found: Fetch = request.param
    return found


@pytest.fixture
def finished(settings: Settings, jobs: JobStore, tmp_path: Path) -> Settings:
    """Settings of a service with a finished job."""
    file = tmp_path / "result.mp4"
    file.write_bytes(CONTENT)
    open_objects(settings).put(OUTPUTS[Output.RESULT], file)
    for change in JobDriver(jobs).life():
        change()
    return settings


@pytest.fixture
def url(finished: Settings) -> Iterator[str]:
    with running_gateway(finished) as url:
        yield url


def link(url: str) -> str:
    """Return the signed URL to which the service redirects."""
    opener = urllib.request.build_opener(NoRedirect)
    with pytest.raises(HTTPError) as sent:
        opener.open(f"{url}/jobs/a/result", timeout=GUARD_S)
    with sent.value:
        assert sent.value.code == 307
        target = sent.value.headers["Location"]
    return target if "://" in target else url + target


def altered(link: str) -> Iterator[str]:
    """Return the link with another path, and with each query value changed."""
    parts = urlsplit(link)
    yield urlunsplit(parts._replace(path=parts.path.replace("result.mp4", "poster.png")))
    query = parse_qsl(parts.query)
    for number, (name, value) in enumerate(query):
        changed = value[:-1] + ("1" if value[-1] != "1" else "2")
        other = [*query[:number], (name, changed), *query[number + 1 :]]
        yield urlunsplit(parts._replace(query=urlencode(other)))


def test_signed_url_supports_ranges_and_a_file_name(url: str, fetch: Fetch) -> None:
    address = link(url)
    whole = fetch(address, {})
    assert (whole.status, whole.content) == (200, CONTENT)
    assert whole.headers["content-type"] == "video/mp4"
    assert ".mp4" in whole.headers["content-disposition"]
    for wished, part in (("1-3", CONTENT[1:4]), ("-10", CONTENT[-10:]), ("255990-", CONTENT[-10:])):
        got = fetch(address, {"Range": f"bytes={wished}"})
        assert (got.status, got.content) == (206, part)
    first = fetch(address, {"Range": "bytes=0-9"})
    assert first.headers["content-range"] == f"bytes 0-9/{len(CONTENT)}"
    assert fetch(address, {"Range": "bytes=256000-"}).status == 416


def test_pages_of_other_sites_may_show_a_result_unless_a_cookie_asks_for_it(url: str) -> None:
    policy = "cross-origin-resource-policy"
    with httpx.Client(base_url=url, timeout=GUARD_S) as page:
        own = page.get("/jobs/a/result", headers={"Cookie": f"{COOKIE}=x"})
        assert (own.status_code, own.headers[policy]) == (307, "same-origin")
        shown = page.get("/jobs/a/result")
        assert (shown.status_code, shown.headers[policy]) == (307, "cross-origin")
        if shown.headers["location"].startswith("/"):  # the S3 store serves its own links
            assert page.get(shown.headers["location"]).headers[policy] == "cross-origin"
        assert page.get("/jobs/a").headers[policy] == "same-origin"


def test_altered_url_is_refused(url: str, fetch: Fetch) -> None:
    tried = list(altered(link(url)))
    assert len(tried) >= 4
    for address in tried:
        refused = fetch(address, {})
        assert 400 <= refused.status < 500, address
        assert CONTENT[:256] not in refused.content


@pytest.mark.long
def test_expired_url_is_refused(finished: Settings, fetch: Fetch) -> None:
    with running_gateway(finished) as url:
        assert fetch(link(url), {}).status == 200
    with running_gateway(finished.model_copy(update={"link_ttl_s": 1})) as url:
        address = link(url)
        wait_until(lambda: fetch(address, {}).status == 403, "the link expires")


def test_client_downloads_the_result(url: str, tmp_path: Path) -> None:
    with Client(url) as client:
        client.download("a", tmp_path / "x.mp4")
    assert (tmp_path / "x.mp4").read_bytes() == CONTENT


def test_boto3_reads_the_object(s3_server: S3Server, tmp_path: Path) -> None:
    settings = s3_server.settings(tmp_path)
    file = tmp_path / "result.mp4"
    file.write_bytes(CONTENT)
    open_objects(settings).put(OUTPUTS[Output.RESULT], file)
    s3 = make_client(settings, s3_server.endpoint_url)
    bucket, key = s3_server.bucket, OUTPUTS[Output.RESULT]
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == CONTENT
    part = s3.get_object(Bucket=bucket, Key=key, Range="bytes=1-3")
    assert (part["ResponseMetadata"]["HTTPStatusCode"], part["Body"].read()) == (206, CONTENT[1:4])
