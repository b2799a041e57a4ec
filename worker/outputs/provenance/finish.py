"""The provenance of one service's results: what marks them, and what signs them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from service.contract.job import JobRecord, Output
from service.contract.queues import Queue
from service.contract.workers import ModelInfo
from service.errors import SettingsError
from service.settings import Settings
from worker.outputs.provenance.credentials import development_credentials, operator_credentials
from worker.outputs.provenance.signing import Signer

PAYLOAD_BYTES = 4
# In this order: what is signed later can tell the digest of what was signed before.
SIGNED = (Output.RESULT, Output.POSTER)


@dataclass(frozen=True)
class Provenance:
    """What is done to results so that they say what they are.

    Attributes:
        marks: whether pictures are marked.
        signer: None where files are not signed.
    """

    marks: bool = False
    signer: Signer | None = None

    def payload(self, record: JobRecord, inputs: Mapping[str, str], model: ModelInfo) -> int | None:
        """What the mark of a result carries: the first bits of a digest of all that it comes of.

        The same inputs, parameters and model give the same payload and thus the same frames; a
        manifest that holds it leads from a mark to its job.
        """
        if not self.marks:
            return None
        sources = {
            "inputs": dict(inputs),
            "params": record.params.model_dump(mode="json"),
            "model": model.model_dump(mode="json"),
        }
        digest = hashlib.sha256(json.dumps(sources, sort_keys=True).encode()).digest()
        return int.from_bytes(digest[:PAYLOAD_BYTES])

    def sign(self, outputs: Mapping[Output, Path], statement: Mapping[str, Any]) -> dict[str, str]:
        """Sign what was made, in place.

        Returns:
            What was done to each file: `embedded`, or why nothing was.
        """
        if self.signer is None:
            return {}
        done: dict[str, str] = {}
        digests: dict[str, str] = {}
        for output in SIGNED:
            if output in outputs:
                file = outputs[output]
                told = {**statement, "beside": dict(digests)} if digests else statement
                signed = self.signer.sign(file, told)
                done[output] = "embedded" if signed else f"no place in {file.suffix.lstrip('.')}"
                digests[output] = file_digest(file)
        return done


def open_provenance(settings: Settings, queues: Sequence[Queue] = tuple(Queue)) -> Provenance:
    """What the settings ask for; makes a development certificate where none is given.

    Who does not serve the queue `render` delivers no result, and neither reads a key nor makes one.

    Raises:
        SettingsError: the certificate cannot be used, or only half of it is given.
    """
    if Queue.RENDER not in queues:
        return Provenance()
    return Provenance(settings.watermark, _signer(settings) if settings.c2pa else None)


def file_digest(file: Path) -> str:
    """The sha256 of a file's content, in hexadecimal digits."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _signer(settings: Settings) -> Signer:
    cert, key = settings.c2pa_cert, settings.c2pa_key
    if (cert is None) != (key is None):
        raise SettingsError("TCAN_C2PA_CERT and TCAN_C2PA_KEY belong together; one is missing")
    if cert is None or key is None:
        credentials = development_credentials(settings.c2pa_folder)
    else:
        credentials = operator_credentials(cert, key)
    return Signer(credentials, version("tcan"))
