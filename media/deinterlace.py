"""Deinterlacing of decoded frames."""

from __future__ import annotations

from collections.abc import Iterator

from av.filter import Graph
from av.video.frame import VideoFrame

from media.container import DAMAGED, map_ffmpeg_errors

# One frame for each frame; those that are marked as progressive stay as they are.
_FILTER, _OPTIONS = "bwdif", "mode=send_frame:deint=interlaced"


def deinterlace(name: str, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
    """Yield as many frames, without the combs that moving things have in interlaced ones.

    Args:
        name: file name for messages.

    Raises:
        MediaError: a frame cannot be decoded.
    """
    graph: Graph | None = None
    shape = None
    for frame in frames:
        if graph is not None and shape != _shape(frame):
            yield from _filter(name, graph, None)
            graph = None
        if graph is None:
            if not frame.interlaced_frame:
                yield frame
                continue
            graph, shape = _make_graph(frame), _shape(frame)
        yield from _filter(name, graph, frame)
    if graph is not None:
        yield from _filter(name, graph, None)


def _shape(frame: VideoFrame) -> tuple[int, int, str]:
    return frame.height, frame.width, frame.format.name


def _make_graph(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base
    )
    graph.link_nodes(source, graph.add(_FILTER, _OPTIONS), graph.add("buffersink")).configure()
    return graph


def _filter(name: str, graph: Graph, frame: VideoFrame | None) -> Iterator[VideoFrame]:
    """Yield what the filter has ready after this frame, or after the last one (None)."""
    with map_ffmpeg_errors(name, DAMAGED):
        graph.vpush(frame)
    while True:
        with map_ffmpeg_errors(name, DAMAGED):
            try:
                filtered = graph.vpull()
            except (BlockingIOError, EOFError):
                return
        yield filtered
