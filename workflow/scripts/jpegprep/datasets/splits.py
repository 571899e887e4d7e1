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
from jpegprep.datasets.division import divide
from jpegprep.datasets.problems import FEWEST, RARE, SET_ASIDE


def split_dataset(
    how: Mapping[str, Any],
    shards: Mapping[str, int],
    manifest: str | Path,
    split: str | Path,
    once: bool = False,
    limit: int | None = None,
    groups: str | Path | None = None,
) -> None:
    """Assign every usable image of a manifest to a split and a shard; write parquet.

    `how` and `shards` are those of `assign`. Where `once`, of copies of an image in a class one is
    used (`distinct`); of more images than `limit`, a sample. Where ``rare`` of `how` is ``drop``, a
    class that is too small for the splits is left out. Columns: key, class, label (index of the
    class in sorted order), split, shard (number).

    `groups` is the file of `groups.find_groups`, whose ``split_group`` says which images are drawn
    as one; without it that are those of equal bytes, or none, as ``duplicates`` of `how` says.

    Raises:
        UserError: as `assign`; where `rare` leaves fewer than two classes.
    """
    files = read_parquet(manifest).to_pandas()
    images = files[files["handling"] != SET_ASIDE]
    if groups:
        images = _with_groups(images, groups)
    rare = files.loc[files["problems"] == RARE, "class"].value_counts().to_dict()
    if how.get("rare") == "drop":
        rare |= _too_small(images, how)
        images = images[~images["class"].isin(list(rare))]
        if (left := images["class"].nunique()) < 2:
            raise UserError(
                f"{manifest}: {left} of its classes can be split, the {len(rare):,} others are too "
                "small; a classifier needs two or more: add images"
            )
    if rare:
        print(_left_out(rare))
    if once:
        own, images = len(images), distinct(images)
        print(f"{own - len(images):,} copies of images of the same class are left out")
    pool = _given(images) if how["strategy"] == "given" else None
    images = sample(images, limit, how["seed"], pool)
    try:
        table = assign(images, how, shards)
    except UserError as error:
        raise UserError(f"{manifest}: {error}") from None
    print(table.groupby("split", sort=False).size().to_string())
    print(f"{across_splits(images, table)} images have a duplicate in another split")
    with replacing(split) as part:
        write_parquet(table, part)


def _with_groups(images: pd.DataFrame, groups: str | Path) -> pd.DataFrame:
    """Return images with the column split_group.

    Raises:
        UserError: where the file lacks one.
    """
    found = read_parquet(groups, ["key", "split_group"]).to_pandas()
    both = images.merge(found, on="key", how="left", validate="one_to_one")
    if both["split_group"].isna().any():
        raise UserError(f"{groups}: is of other images; remove it: it is made again")
    return both


def distinct(images: pd.DataFrame) -> pd.DataFrame:
    """Return the images without copies: of equal bytes in one class the first one counts.

    A copy tells nothing new, and intervals that counted it would be too narrow. Where splits are
    given, the copy in the test split stays, then that in val.

    Args:
        images: columns key, class, member and duplicate_of; the rows stay in their order.
    """
    content = images["duplicate_of"].where(images["duplicate_of"].notna(), images["key"])
    split = images["member"].str.split("/").str[0].map({"test": 0, "val": 1}).fillna(2)
    table = pd.DataFrame({"content": content, "class": images["class"], "split": split})
    first = table.sort_values("split", kind="stable").drop_duplicates(["content", "class"]).index
    return images.loc[images.index.isin(first)]


def _too_small(images: pd.DataFrame, how: Mapping[str, Any]) -> dict[str, int]:
    """Return the classes that `assign` would refuse, and how many images each has."""
    pool = _given(images) if how["strategy"] == "given" else np.full(len(images), "", object)
    drawn_from = "" if how["strategy"] != "given" else "train" if "val" not in pool else None
    # Where images are drawn, those that are drawn as one count once in each class.
    drawn_as = pd.DataFrame({"class": images["class"].to_numpy(), "group": _groups(images, how)})
    counted = ~drawn_as.duplicated().to_numpy() | (pool != drawn_from)
    every = images["class"].value_counts()
    counts = pd.crosstab(images["class"].to_numpy()[counted], pool[counted])
    counts = counts.reindex(every.index, fill_value=0)
    short = (counts < [_fewest(part, pool) for part in counts.columns]).any(axis=1)
    return {str(name): int(count) for name, count in every[short].items()}


def _fewest(part: str, pool: npt.NDArray[np.object_]) -> int:
    """Return how many images a class needs in a pool: one for each split that is drawn from it."""
    if not part:
        return FEWEST
    return 2 if part == "train" and "val" not in pool else 1


def _left_out(rare: Mapping[str, int]) -> str:
    """Return the line that names the classes that are left out, those with most images first."""
    names = sorted(rare, key=lambda name: (-rare[name], name))
    text = ", ".join(f"{name!r} ({rare[name]:,})" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return (
        f"{len(names):,} classes, {sum(rare.values()):,} usable images, are left out: too small "
        f"for the splits: {text}{more}"
    )


_NAMED = 10  # classes in a line


def sample(
    images: pd.DataFrame, limit: int | None, seed: int, pool: npt.NDArray[np.object_] | None = None
) -> pd.DataFrame:
    """Return `limit` images: of each class its share, within one image, drawn at random.

    A class whose share is less than the splits need has what they need, and the others share the
    rest: `FEWEST` images, which is one for each of train, val and test (a regression in folds needs
    no more than two). They are of different groups, where the class has as many. Only where
    these least numbers alone exceed the limit does the sample, too.

    Where splits are given, each class has its share in each split, and at least one image there,
    in train two if val is drawn from it. Test gives last: it is whole where it takes no more than
    half of the limit, and half of it otherwise.

    Args:
        images: as of `assign`; the rows stay in their order.
        limit: how many; None for all.
        seed: of the draw.
        pool: (n,) the given splits, if there are some.
    """
    if limit is None or len(images) <= limit:
        return images
    rng = np.random.default_rng([seed, 1])  # not the numbers that `assign` draws
    pool = np.full(len(images), "", object) if pool is None else pool
    names = images["class"].to_numpy(dtype=str)
    rows_of = {part: _by_class(names, np.flatnonzero(pool == part)) for part in sorted(set(pool))}
    sizes = {part: np.array(list(map(len, rows))) for part, rows in rows_of.items()}
    fewest = {part: np.minimum(sizes[part], _fewest(part, pool)) for part in sizes}
    totals = _totals(sizes, fewest, limit)
    together = _groups(images, {"duplicates": "together"})
    chosen: list[npt.NDArray[np.intp]] = []
    raised: set[str] = set()  # the classes that have more than their share
    for part, of_classes in rows_of.items():
        counts = _shares(sizes[part], fewest[part], totals[part])
        for rows, count, least in zip(of_classes, counts, fewest[part], strict=True):
            order = rng.permutation(rows)
            first = np.flatnonzero(~pd.Series(together[order]).duplicated().to_numpy())[:least]
            chosen.append(np.concatenate([order[first], np.delete(order, first)])[:count])
            if count == least and count * sizes[part].sum() > totals[part] * len(rows):
                raised.add(str(names[rows[0]]))
    found = images.iloc[np.sort(np.concatenate(chosen))]
    print(_about_sample(images["class"], found["class"], limit, raised))
    return found


def _by_class(
    names: npt.NDArray[np.str_], rows: npt.NDArray[np.intp]
) -> list[npt.NDArray[np.intp]]:
    """Return the rows of each class, the classes in sorted order."""
    _, label, sizes = np.unique(names[rows], return_inverse=True, return_counts=True)
    return np.split(rows[np.argsort(label, kind="stable")], np.cumsum(sizes)[:-1])


def _totals(
    sizes: Mapping[str, npt.NDArray[np.intp]],
    fewest: Mapping[str, npt.NDArray[np.intp]],
    limit: int,
) -> dict[str, int]:
    """Return how many images of each pool are in the sample; test gives last."""
    least = {part: int(of_classes.sum()) for part, of_classes in fewest.items()}
    kept = {}
    if "test" in sizes:
        tests = int(sizes["test"].sum())
        others = sum(int(of_classes.sum()) for of_classes in sizes.values()) - tests
        wanted = min(tests, max(limit // 2, limit - others))
        kept["test"] = max(least["test"], min(wanted, limit - sum(least.values()) + least["test"]))
    parts = [part for part in sizes if part not in kept]
    shares = _shares(
        np.array([sizes[part].sum() for part in parts], dtype=np.intp),
        np.array([least[part] for part in parts], dtype=np.intp),
        limit - sum(kept.values()),
    )
    return kept | {part: int(share) for part, share in zip(parts, shares, strict=True)}


def _shares(
    sizes: npt.NDArray[np.intp], fewest: npt.NDArray[np.intp], total: int
) -> npt.NDArray[np.intp]:
    """Divide `total` in proportion to `sizes`, by largest remainders, with `fewest` for each.

    Their sum is `total`, or that of `fewest` where this is more.

    Args:
        sizes: (k,) how much there is of each.
        fewest: (k,) at most `sizes`.
        total: at most the sum of `sizes`.
    """
    least = np.zeros(len(sizes), dtype=bool)
    quota = np.zeros(len(sizes))
    while not least.all():
        rest = max(0, total - fewest[least].sum())
        quota[~least] = sizes[~least] * rest / sizes[~least].sum()
        below = ~least & (quota < fewest)
        if not below.any():
            break
        least |= below
    counts = np.where(least, fewest, np.floor(quota)).astype(np.intp)
    remainder = np.where(least, -1.0, quota - counts)
    more = max(0, total - counts.sum())
    counts[np.argsort(-remainder, kind="stable")[:more]] += 1
    return counts


def _about_sample(whole: pd.Series, found: pd.Series, limit: int, raised: set[str]) -> str:
    """Return the line that says how large a sample is, and what it does to small classes."""
    text = f"{len(whole):,} images; a sample of {len(found):,} is used"
    if len(found) > limit:
        text += f", not {limit:,}: so many are the fewest that the splits need of each class"
    before, now = whole.isin(raised).mean(), found.isin(raised).mean()
    if now - before > _TOLD:
        text += (
            f"; small classes raised to the fewest that splits need: {len(raised):,}, now "
            f"{100 * now:.1f} % of the sample, {100 * before:.1f} % of the images"
        )
    return text


_TOLD = 0.005  # the shift of shares from which it is said


def assign(images: pd.DataFrame, how: Mapping[str, Any], shards: Mapping[str, int]) -> pd.DataFrame:
    """Split images class by class.

    Args:
        images: columns key, class and duplicate_of, in the order of the archives; perhaps
            split_group, a number that those have in common that are drawn as one; for ``given``
            also member, which begins with the split.
        how: ``strategy``: ``stratified`` (drawn at random in each class from ``seed``),
            ``contiguous`` (in each class the first are train, then val, then test) or ``given``
            (by the user; where there is no test, the given val is the test; where there is then no
            val, it is drawn from train); ``val`` and ``test``: the fractions of each;
            ``duplicates``, where there is no split_group: ``apart`` (each image for itself) or
            ``together`` (images of the same bytes are drawn as one). None leaves its given split.
        shards: the number of shards of each split.

    Returns:
        The rows in their order, with the columns key, class, label, split, shard. Of the images
        that are drawn, each class has the fractions of val and test within one image, and at least
        one image in each. Over all classes they are the fractions rounded to whole images, and more
        where classes are too small for that: of 200 classes of four with ``val`` 0.15 a quarter is
        val. A val drawn from a given train has its fraction of that train.

    Raises:
        UserError: where a class is too small to appear in every split, or missing in a given one.
    """
    rng = np.random.default_rng(how["seed"])
    table = images[["key", "class"]].reset_index(drop=True)
    names, labels = np.unique(table["class"].to_numpy(dtype=str), return_inverse=True)
    table["label"] = labels.astype(np.int32)
    pool = _given(images) if how["strategy"] == "given" else np.full(len(table), "", object)
    group = _groups(images, how)
    where = pool.copy()
    fractions = {"val": how["val"], "test": how["test"]}
    rows = np.arange(len(table))
    if how["strategy"] == "given":
        _check_given(names, labels, pool)
        fractions["test"] = 0
        rows = np.flatnonzero(pool == "train")
    if how["strategy"] != "given" or "val" not in pool:
        if how["strategy"] != "contiguous" and len(set(group[rows])) < len(rows):
            where[rows] = _draw_groups(names, labels[rows], group[rows], fractions, rng)
        else:
            first = _firsts(group[rows])
            drawn = first == np.arange(len(rows))
            random = None if how["strategy"] == "contiguous" else rng
            what = "image" if drawn.all() else "different image"
            found = np.empty(len(rows), dtype=object)
            found[drawn] = _draw(names, labels[rows][drawn], fractions, random, what)
            where[rows] = found[first]
    table["split"] = where
    table["shard"] = np.int32(0)
    for part in SPLITS:
        rows = rng.permutation(np.flatnonzero(where == part))
        table.loc[rows, "shard"] = np.arange(len(rows), dtype=np.int32) % shards[part]
    return table


def _groups(images: pd.DataFrame, how: Mapping[str, Any]) -> npt.NDArray[np.int64]:
    """Return a number of each image that those have in common that are drawn as one."""
    if "split_group" in images:
        return images["split_group"].to_numpy(dtype=np.int64)
    if how["duplicates"] == "apart":
        return np.arange(len(images))
    contents = images["duplicate_of"].where(images["duplicate_of"].notna(), images["key"])
    return pd.factorize(contents)[0].astype(np.int64)


def _firsts(group: npt.NDArray[np.int64]) -> npt.NDArray[np.intp]:
    """Return of each image the first one of its group."""
    _, first, of = np.unique(group, return_index=True, return_inverse=True)
    return first[of.ravel()]


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
                f"class {str(names[missing[0]])!r} has no usable image in {part}; add some, "
                "leave the class out, or set rare to drop"
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
            while sum(count.values()) >= len(rows):
                count[max(wanted, key=count.__getitem__)] -= 1
        before += len(rows)
        train = len(rows) - sum(count.values())
        if min(train, *(count[part] for part in wanted)) < 1:
            raise UserError(
                f"class {str(name)!r} has {len(rows)} {what}{'' if len(rows) == 1 else 's'}, too "
                f"few for {', '.join(['train', *wanted[:-1]])} and {wanted[-1]}; add images, leave "
                "the class out, or set rare to drop"
            )
        where[rows[:train]] = "train"
        where[rows[train : train + count["val"]]] = "val"
        where[rows[train + count["val"] :]] = "test"
    return where


def _draw_groups(
    names: npt.NDArray[np.str_],
    labels: npt.NDArray[np.intp],
    groups: npt.NDArray[np.int64],
    fractions: Mapping[str, float],
    rng: np.random.Generator,
) -> npt.NDArray[np.object_]:
    """Return the split of each image, those of a group in one: as `_draw` as far as groups allow.

    Raises:
        UserError: where a class has too few groups to appear in every split.
    """
    wanted = [part for part in ("val", "test") if fractions[part]]
    parts = np.array(["train", *wanted], dtype=object)
    shares = [fractions[part] for part in wanted]
    where = parts[divide(labels, groups, [1 - sum(shares), *shares], rng)]
    for label, name in enumerate(names):
        rows = labels == label
        if rows.any() and len(set(where[rows])) < len(parts):
            count = len(set(groups[rows]))
            raise UserError(
                f"class {str(name)!r} has {rows.sum()} images in {count} "
                f"group{'' if count == 1 else 's'} of what belongs together, too few for "
                f"{', '.join(parts[:-1])} and {parts[-1]}; add images, leave the class out, or set "
                "rare to drop"
            )
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
