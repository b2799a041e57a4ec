"""Cache of inspection results, so that an upload that many jobs use is inspected once."""

from __future__ import annotations

from collections import OrderedDict

from service.inspection.inspector import InputInfo

MAX_ENTRIES = 4096


class InspectionCache:
    """Inspection results by the file's role and object key, each with the object's tag.

    A tag changes with the object; users of a result must check that the tag is still the same.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._max_entries = max_entries
        self._results: OrderedDict[tuple[str, str], tuple[str, InputInfo]] = OrderedDict()

    def get(self, role: str, key: str) -> tuple[str, InputInfo] | None:
        """Return the tag and the result, or None."""
        result = self._results.get((role, key))
        if result is not None:
            self._results.move_to_end((role, key))
        return result

    def put(self, role: str, key: str, tag: str, result: InputInfo) -> None:
        """Store a result; the least recently used one may be dropped."""
        self._results[role, key] = (tag, result)
        while len(self._results) > self._max_entries:
            self._results.popitem(last=False)

    def forget(self, role: str, key: str) -> None:
        """Drop the result of an object that has changed."""
        self._results.pop((role, key), None)
