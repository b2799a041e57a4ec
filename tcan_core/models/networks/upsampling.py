"""Up-sampling in one convolution: pixels that are repeated need not be multiplied one by one.

An up block repeats each pixel twice along both sides, then convolves by 3x3. All that falls on
copies of one pixel may be added up before: it is a transposed convolution of stride 2 with a kernel
of 4x4, the old one convolved with 2x2 ones. That is 4 products for each pixel that comes out
instead of 9, and the repeated pixels are never written. Exact up to rounding.

Source: "Is the deconvolution layer the same as a convolutional layer?", arXiv 1609.07009.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import torch
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn
from torch.nn import functional as F

from tcan_core.models.devices import takes_host_way


class FoldedUpsample2D(Upsample2D):
    """diffusers' up-sampler, of the same weights; on a processor folded, if they are float32.

    Sums of weights with fewer bits would be rounded again. The folded kernel is kept beside the
    plain one.
    """

    _kernel: Tensor | None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As diffusers' own."""
        super().__init__(*args, **kwargs)
        self.register_buffer("_kernel", None, persistent=False)

    @property
    def is_whole(self) -> bool:
        """Whether the weights are float32."""
        conv: Any = self.conv
        return bool(conv.weight.dtype == torch.float32)

    def fold(self) -> Tensor:
        """Return the folded kernel, made at the first call."""
        if self._kernel is None:
            conv: Any = self.conv
            with torch.inference_mode(mode=False), torch.no_grad():
                self._kernel = folded(conv.weight)
        return self._kernel

    def _apply(self, *args: Any, **kwargs: Any) -> FoldedUpsample2D:
        """Forget the folded kernel where the weights get another type or device."""
        self._kernel = None
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        return self

    def forward(self, hidden_states: Tensor, output_size: Any = None) -> Tensor:
        """Return (rows, channels, 2 h, 2 w) from (rows, channels, h, w); or of `output_size`."""
        height, width = hidden_states.shape[2:]
        is_double = output_size is None or tuple(output_size) == (2 * height, 2 * width)
        conv: Any = self.conv
        is_trained = torch.is_grad_enabled() and conv.weight.requires_grad
        can_fold = self.is_whole and not is_trained and takes_host_way(hidden_states)
        if not (is_double and can_fold):
            return super().forward(hidden_states, output_size)
        return F.conv_transpose2d(hidden_states, self.fold(), conv.bias, stride=2, padding=1)


def folded(kernel: Tensor) -> Tensor:
    """Return what does in one transposed convolution what a kernel does to pixels repeated twice.

    Args:
        kernel: (out channels, in channels, 3, 3), for a padding of 1.

    Returns:
        (in channels, out channels, 4, 4), for a stride of 2 and a padding of 1.
    """
    turned = kernel.flip(2, 3).transpose(0, 1)
    result = turned.new_zeros(*turned.shape[:2], 4, 4)
    for top, left in product((0, 1), repeat=2):  # which of the four copies a product falls on
        result[..., top : top + 3, left : left + 3] += turned
    return result


def fold_upsamplers(network: nn.Module) -> None:
    """Fold the up-samplers of a network's up blocks; for inference, where weights stay."""
    for block in network.up_blocks:  # type: ignore[union-attr]
        for index, plain in enumerate(block.upsamplers or ()):
            if type(plain) is Upsample2D and _repeats_and_convolves(plain):
                block.upsamplers[index] = _like(plain)


def _repeats_and_convolves(plain: Any) -> bool:
    """Whether this is all it does: pixels repeated, then a convolution of 3x3 under `conv`."""
    conv: Any = getattr(plain, "conv", None)
    if type(conv) is not nn.Conv2d or not plain.interpolate or plain.norm is not None:
        return False
    return (conv.kernel_size, conv.padding, conv.stride) == ((3, 3), (1, 1), (1, 1))


def _like(plain: Upsample2D) -> FoldedUpsample2D:
    with torch.device("meta"):
        made = FoldedUpsample2D(plain.channels, use_conv=True, out_channels=plain.out_channels)
    made.train(plain.training)
    made.add_module("conv", plain.conv)
    return made
