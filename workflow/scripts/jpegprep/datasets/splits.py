"""Splits: which image is in train, val or test, and in which shard; the same for every variant."""

from collections.abc import Mapping
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.layout import SPLITS
from jpegprep.common.parquet import read_parquet, write_parquet
from jpegprep.datasets.problems import SET_ASIDE

_FEWEST = 4  # images of a class in a sample


def split_dataset(
    how: Mapping[str, Any], shards: Mapping[str, int], manifest: str | Path, split: str | Path
) -> None:
    """Assign every usable image of a manifest to a split and a shard; write parquet.

    `how` and `shards` are those of `assign`; of more images than ``limit`` of `how`, where it has
    one, a sample is used. Columns: key, class, label (index of the class in
    sorted order), split, shard (number).
    """
    images = read_parquet(manifest).to_pandas()
    images = images[images["handling"] != SET_ASIDE]
    pool = _given(images) if how["strategy"] == "given" else None
    images = sample(images, how.get("limit"), how["seed"], pool)
    try:
        table = assign(images, how, shards)
    except UserError as error:
        raise UserError(f"{manifest}: {error}") from None
    print(table.groupby("split", sort=False).size().to_string())
    print(f"{across_splits(images, table)} images have a duplicate in another split")
    with replacing(split) as part:
        write_parquet(table, part)


def sample(
    images: pd.DataFrame, limit: int | None, seed: int, pool: npt.NDArray[np.object_] | None = None
) -> pd.DataFrame:
    """Return at most about `limit` images: the same share of each class, drawn at random.

    Where splits are given, the share is drawn in each, and test gives last: it is whole where it
    takes no more than half of the limit, and half of it otherwise.

    Args:
        images: column class; the rows stay in their order.
        limit: how many; None for all.
        seed: of the draw.
        pool: (n,) the given splits, if there are some.
    """
    if limit is None or len(images) <= limit:
        return images
    rng = np.random.default_rng([seed, 1])  # not the numbers that `assign` draws
    if pool is None:
        pool, shares, fewest = np.full(len(images), "", object), {"": limit / len(images)}, _FEWEST
    else:
        tests = int((pool == "test").sum())
        kept = min(tests, max(limit // 2, limit - (len(images) - tests)))
        others = (limit - kept) / max(1, len(images) - tests)
        shares, fewest = {"train": others, "val": others, "test": kept / max(1, tests)}, 1
    groups = pd.DataFrame({"pool": pool, "class": images["class"].to_numpy()})
    rows = [
        rng.permutation(group)[: max(fewest, round(shares[str(pool[group[0]])] * len(group)))]
        for group in groups.groupby(["pool", "class"]).indices.values()
    ]
    print(f"{len(images):,} images; a sample of {sum(map(len, rows)):,} is used")
    return images.iloc[np.sort(np.concatenate(rows))]


def assign(images: pd.DataFrame, how: Mapping[str, Any], shards: Mapping[str, int]) -> pd.DataFrame:
    """Split images class by class.

    Args:
        images: columns key, class and duplicate_of, in the order of the archives; for ``given``
            also member, which begins with the split.
        how: ``strategy``: ``stratified`` (drawn at random in each class from ``seed``),
            ``contiguous`` (in each class the first are train, then val, then test) or ``given``
            (by the user; where there is no test, the given val is the test; where there is then no
            val, it is drawn from train); ``val`` and ``test``: the fractions of each;
            ``duplicates``: ``apart`` (each image for itself) or ``together`` (images of the same
            bytes are drawn as one, the first of them, but none leaves its given split).
        shards: the number of shards of each split.

    Returns:
        The rows in their order, with the columns key, class, label, split, shard. Over the images
        that are drawn, val and test have the fractions rounded to whole images, and so, within one
        image, has each class. A val drawn from a given train has its fraction of that train.

    Raises:
        UserError: where a class is too small to appear in every split, or missing in a given one.
    """
    rng = np.random.default_rng(how["seed"])
    table = images[["key", "class"]].reset_index(drop=True)
    names, labels = np.unique(table["class"].to_numpy(dtype=str), return_inverse=True)
    table["label"] = labels.astype(np.int32)
    # Within a pool images are drawn, and equal ones may be drawn as one.
    pool = _given(images) if how["strategy"] == "given" else np.full(len(table), "", object)
    first = np.arange(len(table))  # of each image: the one that is drawn for it
    if how["duplicates"] == "together":
        contents = images["duplicate_of"].where(images["duplicate_of"].notna(), images["key"])
        first_of: dict[tuple[str, str], int] = {}
        for row, content in enumerate(zip(pool, contents, strict=True)):
            first[row] = first_of.setdefault(content, row)
    where = pool.copy()
    drawn = first == np.arange(len(table))
    if how["strategy"] == "given":
        _check_given(names, labels, pool)
        fractions = {"val": how["val"], "test": 0}
        drawn &= pool == "train"
    else:
        fractions = {"val": how["val"], "test": how["test"]}
    if how["strategy"] != "given" or "val" not in pool:
        random = None if how["strategy"] == "contiguous" else rng
        what = "image" if len(set(first)) == len(first) else "different image"
        where[drawn] = _draw(names, labels[drawn], fractions, random, what)
        where = where[first]
    table["split"] = where
    table["shard"] = np.int32(0)
    for part in SPLITS:
        rows = rng.permutation(np.flatnonzero(where == part))
        table.loc[rows, "shard"] = np.arange(len(rows), dtype=np.int32) % shards[part]
    return table


def _given(images: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Return the split with which each member's name begins; without a test, val is the test."""
    pool = images["member"].str.partition("/")[0].to_numpy(dtype=object, copy=True)
    if "test" not in pool:
        pool[pool == "val"] = "test"
    return pool


def _check_given(
    names: npt.NDArray[np.str_], labels: npt.NDArray[np.intp], pool: npt.NDArray[np.object_]
) -> None:
    if unknown := set(pool) - set(SPLITS):
        raise UserError(f"an image is in {min(unknown)!r}; splits are train, val and test")
    for part in sorted({"train", "test"} | set(pool)):
        missing = np.setdiff1d(np.arange(len(names)), labels[pool == part])
        if len(missing):
            raise UserError(
                f"class {str(names[missing[0]])!r} has no usable image in {part}; add some, or "
                "leave the class out"
            )


def _draw(
    names: npt.NDArray[np.str_],
    labels: npt.NDArray[np.intp],
    fractions: Mapping[str, float],
    rng: np.random.Generator | None,
    what: str,
) -> npt.NDArray[np.object_]:
    """Return the split of each image.

    Args:
        names: the classes.
        labels: of each image the index of its class.
        fractions: of val and of test; nothing is drawn for one of 0.
        rng: draws in each class; without one the first are train, then val, then test.
        what: each is, for the error.

    Raises:
        UserError: where a class is too small.
    """
    where = np.empty(len(labels), dtype=object)
    wanted = [part for part in ("val", "test") if fractions[part]]
    before = 0
    for label, name in enumerate(names):
        rows = np.flatnonzero(labels == label)
        if rng is not None:
            rows = rng.permutation(rows)
        # Rounding the running totals, not each class, keeps the totals right.
        count = {
            part: _round(fractions[part] * (before + len(rows))) - _round(fractions[part] * before)
            for part in ("val", "test")
        }
        if len(rows) > len(wanted):  # a small class, too, is seen in every split
            count.update({part: max(1, count[part]) for part in wanted})
        before += len(rows)
        train = len(rows) - sum(count.values())
        if min(train, *(count[part] for part in wanted)) < 1:
            raise UserError(
                f"class {str(name)!r} has {len(rows)} {what}{'' if len(rows) == 1 else 's'}, too "
                f"few for {', '.join(['train', *wanted[:-1]])} and {wanted[-1]}; add images, or "
                "leave the class out"
            )
        where[rows[:train]] = "train"
        where[rows[train : train + count["val"]]] = "val"
        where[rows[train + count["val"] :]] = "test"
    return where


def across_splits(images: pd.DataFrame, split: pd.DataFrame) -> int:
    """Count the images that have the same bytes as one in another split.

    Args:
        images: columns key and sha256.
        split: columns key and split.
    """
    both = split.merge(images[["key", "sha256"]], on="key", validate="one_to_one")
    return int((both.groupby("sha256")["split"].transform("nunique") > 1).sum())


def _round(number: float) -> int:
    """Round half up: Python rounds half to even, which would leave some classes out."""
    return floor(number + 0.5)
