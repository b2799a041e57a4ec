"""Reading and checking of C2PA manifests."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import c2pa

from worker.outputs.provenance.signing import GENERATED, OWN_ASSERTION, SETTINGS, TYPES

VALID = ("Valid", "Trusted")


@dataclass(frozen=True)
class Manifest:
    """The manifest of a file.

    Attributes:
        state: `valid`, `invalid`, `absent`, or `unsupported` for a file type that cannot hold one.
        trusted: whether the signer's certificate was issued by one of the given anchors.
        signer: the organization named by the certificate.
        tool: the program that made the file, with its version.
        generated: whether the manifest says that a trained model made the images.
        statement: the maker's statement of how the file was made.
        problems: codes of failed checks.
    """

    state: str
    trusted: bool = False
    signer: str = ""
    tool: str = ""
    generated: bool = False
    statement: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def read_manifest(file: Path, anchors: str = "") -> Manifest:
    """Read and check a file's manifest, without network access.

    Args:
        anchors: certificates of trusted issuers as PEM.
    """
    kind = TYPES.get(file.suffix.lower())
    if kind is None:
        return Manifest("unsupported")
    settings: dict[str, Any] = {**SETTINGS, "trust": {"trust_anchors": anchors}}
    context = c2pa.Context.from_dict(settings if anchors else SETTINGS)
    try:
        with open(file, "rb") as stream, c2pa.Reader(kind, stream, context=context) as reader:
            content = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return Manifest("absent")
    except c2pa.C2paError as error:
        return Manifest("invalid", problems=[str(error)])
    return _manifest(content)


def _manifest(content: dict[str, Any]) -> Manifest:
    active = content["manifests"][content["active_manifest"]]
    state = content.get("validation_state")
    data = {a["label"]: a["data"] for a in active.get("assertions", [])}
    actions = data.get("c2pa.actions.v2", data.get("c2pa.actions", {})).get("actions", [])
    tools = active.get("claim_generator_info") or [{}]
    return Manifest(
        state="valid" if state in VALID else "invalid",
        trusted=state == "Trusted",
        signer=active.get("signature_info", {}).get("issuer", ""),
        tool=f"{tools[0].get('name', '')} {tools[0].get('version', '')}".strip(),
        generated=any(action.get("digitalSourceType") == GENERATED for action in actions),
        statement=data.get(OWN_ASSERTION, {}),
        problems=[problem["code"] for problem in content.get("validation_status", [])],
    )
