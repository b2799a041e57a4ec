"""Bodies of submissions."""

from __future__ import annotations

import anyio

from service.contract.job import JobKind
from service.contract.options import JobOptions
from service.contract.params import JobParams, Trim
from service.submission.receive import SubmissionBody


def fingerprint(params: JobParams) -> str:
    """Return the digest of a request with these parameters."""
    files, urls = {"image": b"i"}, {"driving": "http://a/b"}
    body = SubmissionBody(JobKind.ANIMATE, params, JobOptions(ttl_s=60), files, urls)
    return anyio.run(body.fingerprint)


def test_fingerprint_is_that_of_the_release_before() -> None:
    """During an upgrade a request may be repeated to a gateway of the other release."""
    before = "c2d58918d3a571157c0896dbf65268dc550ef32826cb3f8f2a956145dfa6eda1"
    assert fingerprint(JobParams(seed=7, person=1)) == before
    assert fingerprint(JobParams(seed=7, person=1, trim=Trim(start_s=1))) != before
