"""Watermarks and signatures of a service's results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from media.digest import file_sha256
from service.contract.job import JobRecord, Output
from service.contract.queues import Queue
from service.contract.workers import ModelInfo
from service.errors import SettingsError
from service.settings import Settings
from worker.outputs.provenance.credentials import development_credentials, operator_credentials
from worker.outputs.provenance.signing import Signer

PAYLOAD_BYTES = 4
# In this order: a later statement contains the digests of files signed before.
SIGNED = (Output.RESULT, Output.POSTER, Output.REVIEW, Output.SILENT)


@dataclass(frozen=True)
class Provenance:
    """How results are watermarked and signed.

    Attributes:
        has_watermark: whether images get a watermark.
        signer: signs files, if they are signed.
    """

    has_watermark: bool = False
    signer: Signer | None = None

    def payload(self, record: JobRecord, inputs: Mapping[str, str], model: ModelInfo) -> int | None:
        """Return the watermark's payload: the first bits of a digest of all sources of a result.

        The same inputs, parameters and model give the same payload and thus the same frames. The
        manifest contains it, so a watermark leads to its job.
        """
        if not self.has_watermark:
            return None
        sources = {
            "inputs": dict(inputs),
            "params": record.params.model_dump(mode="json"),
            "model": json.loads(model.identity()),
        }
        digest = hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:PAYLOAD_BYTES])

    def sign(self, outputs: Mapping[Output, Path], statement: Mapping[str, Any]) -> dict[str, str]:
        """Sign the outputs in place.

        Returns:
            For each file `embedded`, or the reason why it is not signed.
        """
        if self.signer is None:
            return {}
        results: dict[str, str] = {}
        digests: dict[str, str] = {}
        for output in SIGNED:
            if output in outputs:
                file = outputs[output]
                full = {**statement, "beside": dict(digests)} if digests else statement
                signed = self.signer.sign(file, full)
                results[output] = "embedded" if signed else f"no place in {file.suffix.lstrip('.')}"
                digests[output] = file_sha256(file)
        return results


def open_provenance(settings: Settings, queues: Sequence[Queue] = tuple(Queue)) -> Provenance:
    """Return the configured provenance; make a development certificate if none is given.

    A worker without the queue `render` has no results: it neither reads nor makes a key.

    Raises:
        SettingsError: the certificate cannot be used, or lacks its key.
    """
    if Queue.RENDER not in queues:
        return Provenance()
    return Provenance(settings.watermark, _signer(settings) if settings.c2pa else None)


def _signer(settings: Settings) -> Signer:
    cert, key = settings.c2pa_cert, settings.c2pa_key
    if (cert is None) != (key is None):
        raise SettingsError("TCAN_C2PA_CERT and TCAN_C2PA_KEY must be set together; one is missing")
    if cert is None or key is None:
        credentials = development_credentials(settings.c2pa_folder)
    else:
        credentials = operator_credentials(cert, key)
    return Signer(credentials, version("tcan"))
