"""Tags of the OpenAPI document, which group its operations."""

from __future__ import annotations

TEXTS = {
    "submit": "Submit animations and pose previews.",
    "uploads": "Send large files before the jobs that use them.",
    "jobs": "Follow, list, cancel and erase jobs.",
    "results": "Download previews and the outputs of finished jobs.",
    "webhooks": "Messages to a job's webhook: their log, their repetition and their secrets.",
    "receiver": "Requests that your service gets at the URL of a webhook.",
    "usage": "What a caller has used and has left.",
    "studio": "Sessions of the page at `/studio`.",
    "models": "Models that live workers have loaded.",
    "health": "Probes and metrics, for operators.",
}
TAGS = [{"name": name, "description": text} for name, text in TEXTS.items()]
