import pytest

from tcan_core.errors import ContextWindowError, ParameterError
from tcan_core.sampling.context_windows import context_windows


@pytest.mark.parametrize(("num_frames", "count"), [(32, 3), (64, 5), (160, 13), (16, 1), (17, 2)])
def test_number_of_windows(num_frames: int, count: int) -> None:
    assert len(context_windows(num_frames)) == count


@pytest.mark.parametrize("num_frames", range(1, 70))
def test_windows_cover_every_frame_in_order_without_wrapping(num_frames: int) -> None:
    windows = context_windows(num_frames, context_size=16, context_overlap=4)

    assert {frame for window in windows for frame in window} == set(range(num_frames))
    for window in windows:
        assert window == list(range(window[0], window[0] + min(16, num_frames)))
    for before, after in zip(windows, windows[1:], strict=False):
        assert len(set(before) & set(after)) >= 4


def test_last_window_is_shifted_back_to_full_length() -> None:
    assert context_windows(30)[-1] == list(range(14, 30))


@pytest.mark.parametrize("num_frames", range(17, 70))
def test_wrapping_windows_continue_with_the_first_frames(num_frames: int) -> None:
    windows = context_windows(num_frames, 16, 4, "wrap")

    assert [window[0] for window in windows] == list(range(0, num_frames, 12))
    for window in windows:
        assert window == [(window[0] + n) % num_frames for n in range(16)]
        assert len(set(window)) == 16


def test_a_short_video_does_not_wrap() -> None:
    assert context_windows(16, kind="wrap") == context_windows(16)
    assert context_windows(5, kind="wrap") == [[0, 1, 2, 3, 4]]


def test_a_short_video_is_one_window_of_all_its_frames() -> None:
    assert context_windows(5) == [[0, 1, 2, 3, 4]]
    assert context_windows(1) == [[0]]


def test_windows_without_overlap() -> None:
    assert context_windows(4, context_size=2, context_overlap=0) == [[0, 1], [2, 3]]


def test_no_frames_cannot_be_cut() -> None:
    with pytest.raises(ContextWindowError, match="num_frames is 0"):
        context_windows(0)


def test_a_window_holds_at_least_one_frame() -> None:
    with pytest.raises(ParameterError, match="context_size is 0"):
        context_windows(8, context_size=0)


@pytest.mark.parametrize("overlap", [-1, 16, 20])
def test_overlap_must_be_smaller_than_the_window(overlap: int) -> None:
    with pytest.raises(ParameterError, match=rf"context_overlap is {overlap}; .* 0\.\.15"):
        context_windows(40, context_size=16, context_overlap=overlap)
