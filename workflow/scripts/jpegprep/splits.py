"""Splits: which image is in train, val or test, and in which shard; the same for every variant."""

from collections.abc import Mapping
from math import floor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.errors import UserError
from jpegprep.files import replacing
from jpegprep.layout import SPLITS
from jpegprep.problems import SET_ASIDE


def split_dataset(
    how: Mapping[str, Any], shards: Mapping[str, int], manifest: str | Path, split: str | Path
) -> None:
    """Assign every usable image of a manifest to a split and a shard; write parquet.

    `how` and `shards` are those of `assign`. Columns: key, class, label (index of the class in
    sorted order), split, shard (number).
    """
    images = pd.read_parquet(manifest)
    images = images[images["handling"] != SET_ASIDE]
    try:
        table = assign(images, how, shards)
    except UserError as error:
        raise UserError(f"{manifest}: {error}") from None
    print(table.groupby("split", sort=False).size().to_string())
    print(f"{across_splits(images, table)} images have a duplicate in another split")
    with replacing(split) as part:
        table.to_parquet(part, index=False)


def assign(images: pd.DataFrame, how: Mapping[str, Any], shards: Mapping[str, int]) -> pd.DataFrame:
    """Split images class by class.

    Args:
        images: columns key, class and duplicate_of, in the order of the archives.
        how: ``strategy``: ``stratified`` (drawn at random in each class from ``seed``) or
            ``contiguous`` (in each class the first are train, then val, then test); ``val`` and
            ``test``: the fractions of each; ``duplicates``: ``apart`` (each image for itself) or
            ``together`` (an image with the same bytes as an earlier one joins its split).
        shards: the number of shards of each split.

    Returns:
        The rows in their order, with the columns key, class, label, split, shard. Over the data
        set, val and test have the fractions rounded to whole images, and so, within one image,
        has each class.

    Raises:
        UserError: where a class is too small to appear in every split.
    """
    rng = np.random.default_rng(how["seed"])
    table = images[["key", "class"]].reset_index(drop=True)
    names, labels = np.unique(table["class"].to_numpy(dtype=str), return_inverse=True)
    table["label"] = labels.astype(np.int32)
    where = np.empty(len(table), dtype=object)
    before = 0
    for label, name in enumerate(names):
        rows = np.flatnonzero(labels == label)
        if how["strategy"] == "stratified":
            rows = rng.permutation(rows)
        # Rounding the running totals, not each class, keeps the totals right.
        count = {
            part: _round(how[part] * (before + len(rows))) - _round(how[part] * before)
            for part in ("val", "test")
        }
        if len(rows) >= len(SPLITS):  # a small class, too, is seen in every split
            count = {part: max(1, number) for part, number in count.items()}
        before += len(rows)
        train = len(rows) - sum(count.values())
        if min(train, *count.values()) < 1:
            raise UserError(
                f"class {str(name)!r} has {len(rows)} images, too few for train, val and test; "
                "add images, or leave the class out"
            )
        where[rows[:train]] = "train"
        where[rows[train : train + count["val"]]] = "val"
        where[rows[train + count["val"] :]] = "test"
    if how["duplicates"] == "together":
        split_of = dict(zip(table["key"], where, strict=True))
        for row, first in enumerate(images["duplicate_of"]):
            if not pd.isna(first):
                where[row] = split_of[first]
        for label, name in enumerate(names):
            if len(set(where[labels == label])) < len(SPLITS):
                raise UserError(
                    f"class {str(name)!r} is not in every split once duplicates are together; add "
                    "images, or write duplicates: apart in the registry"
                )
    table["split"] = where
    table["shard"] = np.int32(0)
    for part in SPLITS:
        rows = rng.permutation(np.flatnonzero(where == part))
        table.loc[rows, "shard"] = np.arange(len(rows), dtype=np.int32) % shards[part]
    return table


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
