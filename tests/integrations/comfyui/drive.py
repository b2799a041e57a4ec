"""Run a graph in ComfyUI as its web page does, and print what it reports. Runs in ComfyUI's Python.

python drive.py URL GRAPH.json [--cancel]    # --cancel interrupts at the first progress
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp

ENDS = {"execution_success", "execution_error", "execution_interrupted"}
GUARD_S = 300.0


async def drive(url: str, graph: dict[str, Any], cancels: bool) -> dict[str, Any]:
    """Return the end of the run, the error if there is one, and the progress of each node."""
    progress: dict[str, list[float]] = {}
    async with aiohttp.ClientSession(url) as session, session.ws_connect("/ws?clientId=a") as ws:
        async with session.post("/prompt", json={"prompt": graph, "client_id": "a"}) as response:
            queued = await response.json()
        if "prompt_id" not in queued:
            return {"end": "refused", "error": queued}
        async for message in ws:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue
            reported = json.loads(message.data)
            kind, data = reported["type"], reported["data"]
            if kind == "progress":
                progress.setdefault(data["node"], []).append(data["value"] / data["max"])
                if cancels:
                    await session.post("/interrupt")
            if kind in ENDS:
                return {"end": kind, "error": data.get("exception_message"), "progress": progress}
    return {"end": "disconnected"}


if __name__ == "__main__":
    found = asyncio.run(
        asyncio.wait_for(
            drive(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), "--cancel" in sys.argv),
            GUARD_S,
        )
    )
    print(json.dumps(found))
