import pytest

from tools.check_names import check, is_noun


@pytest.mark.parametrize("name", ["JobSnapshot", "PoseCache", "_Speed", "URL", "BodyLimit", "Vae"])
def test_noun_is_accepted(name: str) -> None:
    assert is_noun(name)


@pytest.mark.parametrize("name", ["Placed", "_Judged", "Alone", "Told", "PeakAllocated"])
def test_participle_or_adverb_is_rejected(name: str) -> None:
    assert not is_noun(name)


def test_docstring_that_opens_with_a_question_word_is_reported() -> None:
    source = '"""What callers see."""\n\n\ndef wait() -> None:\n    """Wait for the end."""\n'
    assert list(check(source)) == [
        "1: a docstring opens with a question word; say what it is or does"
    ]
