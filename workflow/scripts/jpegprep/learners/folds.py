"""Folds: which images a cross-fitted learner is tested on, and which it is trained on."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.parquet import read_parquet
from jpegprep.datasets.division import divide

Numbers = npt.NDArray[np.int64]

FOLDS = 5  # where the recipe does not say


def places_and_groups(groups: str | Path, keys: npt.NDArray[np.str_]) -> tuple[Numbers, Numbers]:
    """Return each image's place in the manifest's order, and the number of its group.

    Args:
        groups: the file of `groups.find_groups`.
        keys: (n,) of the images.

    Raises:
        UserError: where the file lacks one of the keys.
    """
    table = read_parquet(groups, ["key", "group"]).to_pandas()
    places = pd.Index(table["key"]).get_indexer(keys.tolist()).astype(np.int64)
    if (places < 0).any():
        raise UserError(
            f"{groups}: lacks {keys[places < 0][0]}, which a shard holds; remove it: it is made "
            "again"
        )
    return places, table["group"].to_numpy(dtype=np.int64)[places]


def groups_among(groups: str | Path | None, keys: npt.NDArray[np.str_]) -> Numbers | None:
    """Return the number of each image's group; None, where no file says it.

    Args:
        groups: as of `places_and_groups`, or None.
        keys: likewise.
    """
    return None if groups is None else places_and_groups(groups, keys)[1]


def folds_of(
    labels: Numbers, groups: Numbers, folds: int, seed: int, places: Numbers | None = None
) -> Numbers:
    """Divide images into folds, each class as evenly as whole groups allow; a group is in one fold.

    Args:
        labels: (n,) classes.
        groups: (n,), the same number for images that belong together.
        folds: how many.
        seed: of the random order.
        places: (n,) in an order in which neighbours are alike, as patches of a photograph: a fold
            is then a run of each class's images, and the seed says where it begins.

    Returns:
        (n,) from 0 to folds - 1.
    """
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    rng = np.random.default_rng(seed)
    if places is None and len(first) < len(groups):
        return divide(labels, groups, [1 / folds] * folds, rng)
    fold = np.empty(len(first), dtype=np.int64)
    if places is None:
        order = rng.permutation(len(first))
        order = order[np.argsort(labels[first][order], kind="stable")]
        fold[order] = np.arange(len(order)) % folds
    else:
        start = rng.random()
        for label in np.unique(labels[first]):
            of_class = np.flatnonzero(labels[first] == label)
            order = of_class[np.argsort(places[first][of_class])]
            fold[order] = np.floor((np.arange(len(order)) / len(order) + start) * folds)
        fold %= folds
    return fold[group.ravel()]


def order_of_subsets(labels: Numbers, groups: Numbers, seed: int) -> Numbers:
    """Return each image's place in a random order whose beginnings are the nested subsets.

    A group stands together, and each class is spread evenly over the order. It depends on nothing
    that compression changes.

    Args:
        labels: (n,) classes.
        groups: (n,), the same number for images that belong together.
        seed: of the order.

    Returns:
        (n,), a permutation of 0 to n - 1.
    """
    rng = np.random.default_rng([_SUBSETS, seed])
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    of_group = labels[first]
    share = np.empty(len(first))
    for label in np.unique(of_group):
        members = rng.permutation(np.flatnonzero(of_group == label))
        share[members] = (np.arange(len(members)) + rng.random()) / len(members)
    order = np.lexsort((group.ravel(), share[group.ravel()]))
    place = np.empty(len(labels), dtype=np.int64)
    place[order] = np.arange(len(labels))
    return place


def first_images(
    drawn: npt.NDArray[np.bool_], place: Numbers, groups: Numbers, share: float
) -> Numbers:
    """Return about a share of the images that are drawn: the first of an order, in whole groups.

    Args:
        drawn: (n,), the images to take from.
        place: (n,) of `order_of_subsets`; a smaller share is a part of a larger one.
        groups: (n,) as there.
        share: of the images, in (0, 1].

    Returns:
        Their rows, ascending; at least one group.
    """
    rows = np.flatnonzero(drawn)
    rows = rows[np.argsort(place[rows])]
    count = max(1, round(share * len(rows)))
    while count < len(rows) and groups[rows[count]] == groups[rows[count - 1]]:
        count += 1
    return np.sort(rows[:count])


def parts_of_pair(
    labels: Numbers, groups: Numbers, pairs: Mapping[str, int], fold: int
) -> dict[str, Numbers]:
    """Return which images train and test a pair of networks: those of its fold, and of the others.

    Of both at most so many as `pairs` says, each class by its share. All runs of a fold have the
    same, whatever their seed.

    Args:
        labels: (n,) classes.
        groups: (n,), the same number for images that belong together.
        pairs: ``folds``, ``train_images`` and ``test_images``.
        fold: of the pair, from 0.

    Returns:
        The rows of ``train``, ``val`` (none) and ``test``, ascending.
    """
    folds = folds_of(labels, groups, pairs["folds"], _DIVISION)
    rng = np.random.default_rng([_DIVISION, fold])
    found = {"val": np.zeros(0, dtype=np.int64)}
    for name, rows in (("train", folds != fold), ("test", folds == fold)):
        of_part = rng.permutation(np.flatnonzero(rows))
        # By class, and in each class spread evenly over what is kept.
        order = np.argsort(labels[of_part], kind="stable")
        kept = min(len(of_part), pairs[f"{name}_images"])
        chosen = of_part[order][(np.arange(kept) * len(of_part)) // kept]
        found[name] = np.sort(chosen)
    return found


_DIVISION = 2**32 + 1  # the seed of the folds of pairs: no probe's
_SUBSETS = 2**32 + 2  # beside a seed, that of the order of nested subsets
