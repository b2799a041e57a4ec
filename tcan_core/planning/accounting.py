"""The largest sum of tensors that are alive at once, counted by their shapes.

It works on tensors without contents too (the meta device), so that a model of any size is measured
in seconds and in no memory. What it does not see is what kernels take for themselves, and what an
allocator keeps in reserve.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakAllocated(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the tensors that are made in its block, and the most bytes of them at one time.

    Args:
        is_counted: which sizes, in bytes, count; all, by default.
    """

    def __init__(self, is_counted: Callable[[int], bool] = lambda num_bytes: True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._is_counted = is_counted
        self._alive: dict[int, int] = {}
        self.now_bytes = 0
        self.peak_bytes = 0

    def include(self, tensors: Iterable[Tensor]) -> None:
        """Count tensors that were there before, and may be replaced in the block."""
        for tensor in tensors:
            self._note(tensor)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Do the operation, and count what it makes; views of what was there are nothing new."""
        result = func(*args, **(kwargs or {}))
        given = {_storage_of(leaf) for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)}
        for leaf in tree_leaves(result):
            if _is_tensor(leaf) and _storage_of(leaf) not in given:
                self._note(leaf)
        return result

    def _note(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, num_bytes = storage._cdata, storage.nbytes()
        if key in self._alive or not self._is_counted(num_bytes):
            return
        self._alive[key] = num_bytes
        self.now_bytes += num_bytes
        self.peak_bytes = max(self.peak_bytes, self.now_bytes)
        weakref.finalize(storage, self._forget, key)

    def _forget(self, key: int) -> None:
        self.now_bytes -= self._alive.pop(key, 0)


def _is_tensor(leaf: object) -> bool:
    return isinstance(leaf, Tensor)


def _storage_of(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)
