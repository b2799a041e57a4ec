"""Peak memory of tensors, counted by their shapes.

This also works on tensors without contents (the meta device), so that a model of any size is
measured in seconds and without memory. Workspaces of kernels and reserves of the allocator are not
counted.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context that counts the bytes of the tensors created in it, and their peak.

    Args:
        is_counted: whether tensors of a given number of bytes are counted; by default all are.
    """

    def __init__(self, is_counted: Callable[[int], bool] = lambda num_bytes: True) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._is_counted = is_counted
        self._alive: dict[int, int] = {}
        self.now_bytes = 0
        self.peak_bytes = 0

    def include(self, tensors: Iterable[Tensor]) -> None:
        """Count tensors that exist already and may be replaced in the context."""
        for tensor in tensors:
            self._note(tensor)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation and count its new tensors; views of its inputs are not new."""
        result = func(*args, **(kwargs or {}))
        inputs = {_storage_of(leaf) for leaf in tree_leaves((args, kwargs)) if _is_tensor(leaf)}
        for leaf in tree_leaves(result):
            if _is_tensor(leaf) and _storage_of(leaf) not in inputs:
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
