"""Division of groups of images among parts, each class as evenly as whole groups allow."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]
Counts = npt.NDArray[np.float64]


def divide(
    labels: npt.NDArray[np.integer],
    groups: npt.NDArray[np.integer],
    shares: Sequence[float],
    rng: np.random.Generator,
) -> Numbers:
    """Divide groups among parts, so that each part has its share of each class.

    The largest groups come first, each to the part that lacks most of what the group holds, as in
    scikit-learn's StratifiedGroupKFold; the images that are alone fill up what is lacking then.
    Where a class has no more groups left than parts have none of it, they go to these: three groups
    of a class are enough for three parts.

    Args:
        labels: (n,) classes, from 0.
        groups: (n,) the same number for images that belong together; they may be of several
            classes.
        shares: of the parts, which sum to 1.
        rng: draws which of groups of one size comes first, and which image goes where.

    Returns:
        (n,) the part of each image, from 0.
    """
    _, first, group, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    group = group.ravel()
    kinds, share = int(labels.max(initial=-1)) + 1, np.array(shares)
    wanted = np.outer(np.bincount(labels, minlength=kinds), share)  # of each class in each part
    held = np.zeros_like(wanted)
    part_of = np.empty(len(sizes), dtype=np.int64)
    order = rng.permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    several = order[sizes[order] > 1]
    _place_groups(several, group, labels, wanted, held, part_of)
    alone = order[sizes[order] == 1]
    of_class = labels[first[alone]]
    for label in np.unique(of_class).tolist():
        rows = alone[of_class == label]
        counts = _filling(wanted, held, label, len(rows))
        part_of[rows] = np.repeat(np.arange(len(share)), counts)
        held[label] += counts
    return part_of[group]


def _place_groups(
    several: Numbers,
    group: Numbers,
    labels: npt.NDArray[np.integer],
    wanted: Counts,
    held: Counts,
    part_of: Numbers,
) -> None:
    """Give each group of several images its part; `held` and `part_of` take what comes of it."""
    kinds = len(wanted)
    pairs, counts = np.unique(group * kinds + labels, return_counts=True)
    of_group, of_class = np.divmod(pairs, kinds)
    start = np.searchsorted(of_group, np.arange(len(part_of) + 1))
    left = np.bincount(of_class, minlength=kinds)  # groups of each class that are to come
    share = wanted.sum(axis=0) / max(1, wanted.sum())
    for g in several.tolist():
        rows = slice(start[g], start[g + 1])
        classes, count = of_class[rows], counts[rows, np.newaxis]
        # By how much the squares of what is lacking become less, of the classes; then of all.
        gain = (2 * (wanted[classes] - held[classes]) * count - count**2) / share
        score = gain.sum(axis=0) - 1e-6 * held.sum(axis=0) / share
        empty = held[classes] == 0
        urgent = (empty & (left[classes] <= empty.sum(axis=1))[:, np.newaxis]).any(axis=0)
        if urgent.any():
            score = np.where(urgent, score, -np.inf)
        part = int(np.argmax(score))
        part_of[g] = part
        held[classes, part] += count[:, 0]
        left[classes] -= 1


def _filling(wanted: Counts, held: Counts, label: int, images: int) -> Numbers:
    """Return how many images of a class, all of them alone, go to each part."""
    lacking = np.maximum(wanted[label] - held[label], 0)
    quota = lacking * images / lacking.sum() if lacking.sum() else wanted[label] * 0
    counts = np.floor(quota + 1e-9).astype(np.int64)
    # What is left by rounding goes where most is lacking of all classes: totals stay right.
    order = np.argsort(-(wanted.sum(axis=0) - held.sum(axis=0) - counts), kind="stable")
    order = order[np.argsort(quota[order] - counts[order] < 1e-9, kind="stable")]
    for i in range(images - int(counts.sum())):
        counts[order[i % len(order)]] += 1
    for part in np.flatnonzero(held[label] + counts == 0):
        if counts.max() > 1:
            counts[np.argmax(counts)] -= 1
            counts[part] += 1
    return counts
