import pytest
import torch

from tcan_core.errors import ParameterError
from tcan_core.sampling.guidance import combine, needs_guidance


def test_scale_one_is_the_conditional_half_and_needs_no_other() -> None:
    uncond, cond = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 0.5])

    assert not needs_guidance(1.0)
    torch.testing.assert_close(combine(uncond, cond, 1.0), cond)


def test_guidance_goes_beyond_the_conditional_half() -> None:
    uncond, cond = torch.tensor([1.0]), torch.tensor([3.0])

    assert needs_guidance(7.5)
    torch.testing.assert_close(combine(uncond, cond, 2.0), torch.tensor([5.0]))
    torch.testing.assert_close(combine(uncond, cond, 0.0), uncond)


@pytest.mark.parametrize("scale", [-0.5, float("nan"), float("inf")])
def test_a_scale_that_means_nothing_is_refused(scale: float) -> None:
    with pytest.raises(ParameterError, match=f"guidance_scale is {scale}"):
        needs_guidance(scale)
