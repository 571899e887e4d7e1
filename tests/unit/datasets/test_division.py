"""Division: groups stay whole, and each part has its share of each class."""

from collections import Counter

import numpy as np
import pytest

from jpegprep.datasets.division import divide


def divided(
    labels: np.ndarray, groups: np.ndarray, shares: list[float], seed: int = 0
) -> np.ndarray:
    """Return the part of each image, after a look at what always holds."""
    parts = divide(labels, groups, shares, np.random.default_rng(seed))
    assert parts.shape == labels.shape and set(parts.tolist()) <= set(range(len(shares)))
    for group in np.unique(groups):
        assert len(set(parts[groups == group].tolist())) == 1
    return parts


@pytest.mark.parametrize("seed", range(5))
def test_bursts_of_five_give_the_shares_that_whole_bursts_allow(seed: int) -> None:
    """Of ten bursts of five a class, 15 % are one or two, and 35 % three or four."""
    labels, groups = np.repeat(np.arange(4), 50), np.repeat(np.arange(40), 5)
    parts = divided(labels, groups, [0.5, 0.15, 0.35], seed)
    for label in range(4):
        counts = Counter(parts[labels == label].tolist())
        assert counts[0] in (20, 25, 30) and counts[1] in (5, 10) and counts[2] in (15, 20)
    assert np.bincount(parts) == pytest.approx([100, 30, 70], abs=5)


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_all_sizes_and_several_classes(seed: int) -> None:
    """As patients have: the shares of each class are right within a large group."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(300), rng.geometric(0.2, 300))
    labels = rng.choice(3, len(groups), p=[0.6, 0.3, 0.1])
    parts = divided(labels, groups, [0.2] * 5, seed)
    for label in range(3):
        of_class = np.bincount(parts[labels == label], minlength=5)
        assert of_class == pytest.approx(np.full(5, of_class.sum() / 5), abs=4)


def test_three_groups_of_a_class_are_enough_for_three_parts() -> None:
    """However unequal they are."""
    labels = np.repeat([0, 1], [60, 60])
    groups = np.concatenate([np.repeat([0, 1, 2], [50, 8, 2]), np.repeat(np.arange(3, 33), 2)])
    for seed in range(20):
        parts = divided(labels, groups, [0.5, 0.15, 0.35], seed)
        assert set(parts[labels == 0].tolist()) == {0, 1, 2}


def test_images_that_are_alone_fill_up_what_groups_leave() -> None:
    """A burst of 30 in one part does not make that part larger than its share."""
    labels = np.zeros(100, dtype=int)
    groups = np.concatenate([np.zeros(30, dtype=int), np.arange(1, 71)])
    parts = divided(labels, groups, [0.5, 0.15, 0.35])
    assert np.bincount(parts).tolist() == [50, 15, 35]


def test_a_seed_draws_it() -> None:
    """The same seed the same parts, another one others."""
    labels, groups = np.repeat(np.arange(2), 50), np.repeat(np.arange(20), 5)
    one, again, other = (divided(labels, groups, [0.5, 0.5], seed) for seed in (1, 1, 2))
    assert (one == again).all() and (one != other).any()
