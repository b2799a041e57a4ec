"""What stored files were found to be, so that one which many jobs use is looked at once."""

from __future__ import annotations

from collections import OrderedDict

from service.inspection.inspector import InputInfo

MOST = 4096


class InspectionCache:
    """Findings by the file's role and key, each with the tag of the file that was looked at.

    A tag changes with the file, and whoever uses a finding makes sure of the tag.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._found: OrderedDict[tuple[str, str], tuple[str, InputInfo]] = OrderedDict()

    def get(self, role: str, key: str) -> tuple[str, InputInfo] | None:
        """The tag and the finding."""
        found = self._found.get((role, key))
        if found is not None:
            self._found.move_to_end((role, key))
        return found

    def put(self, role: str, key: str, tag: str, found: InputInfo) -> None:
        """Remember a finding; the one that was not used for longest may go."""
        self._found[role, key] = (tag, found)
        while len(self._found) > self._most:
            self._found.popitem(last=False)

    def forget(self, role: str, key: str) -> None:
        """The file has changed."""
        self._found.pop((role, key), None)
