"""Images kept by class: counted, and told where classes differ for sure and by much."""

import numpy as np
import pytest
from scipy.stats import binomtest

from jpegprep.evaluation.kept import kept_by_class, uneven_in_words


def of(shares: dict[str, tuple[int, int]]) -> dict[str, object]:
    """Return what is told of classes, of each how many of how many were kept."""
    same = [np.arange(n) < kept for kept, n in shares.values()]
    names = [np.full(n, name) for name, (_, n) in shares.items()]
    return kept_by_class(np.concatenate(same), np.concatenate(names))


def test_classes_that_differ_are_told_with_their_p() -> None:
    """Of 100 each, 60 and 0 of 30 % in all: binomial p-values, doubled by Holm."""
    told = of({"camera": (60, 100), "scanner": (0, 100)})
    assert (told["n"], told["count"], told["share"], told["differs"]) == (200, 60, 0.3, True)
    found = {entry["class"]: entry for entry in told["classes"]}
    for name, kept in (("camera", 60), ("scanner", 0)):
        p = binomtest(kept, 100, 0.3).pvalue
        assert (found[name]["count"], found[name]["n"]) == (kept, 100)
        assert p <= found[name]["p_holm"] <= 2 * p * (1 + 1e-9)
        assert found[name]["differs"]


@pytest.mark.parametrize(
    "shares",
    [
        {"a": (0, 50), "b": (0, 50)},  # none
        {"a": (50, 50), "b": (50, 50)},  # all
        {"a": (3, 4), "b": (0, 40)},  # too few to be sure at 0.001
        {"a": (5900, 10000), "b": (5000, 10000)},  # sure, and less than a tenth apart
    ],
)
def test_what_is_unsure_or_small_is_no_difference(shares: dict[str, tuple[int, int]]) -> None:
    """It takes both: p below 0.001 after correction, and more than a tenth."""
    assert not of(shares)["differs"]


def test_chance_alone_is_rarely_a_difference() -> None:
    """Twenty classes of one share: at most one data set in 1,000 should seem to differ."""
    rng = np.random.default_rng(0)
    names = np.repeat([f"c{i}" for i in range(20)], 30)
    found = [kept_by_class(rng.random(len(names)) < 0.3, names)["differs"] for _ in range(25)]
    assert sum(found) <= 1


def test_the_sentence_names_the_class_that_differs_most_surely() -> None:
    """Class, its share and that of all stand in it."""
    text = uneven_in_words("at ratio 0.3", of({"camera": (60, 100), "scanner": (0, 100)}))
    assert text.startswith("At ratio 0.3 compression left ") and "30% of all images" in text
    assert "'scanner'" in text or "'camera'" in text
