"""The audit: what a random forest predicts of the classes from file headers alone.

Labels leak where the classes of a data set come from different cameras, programs or web sites. The
headers show it; a network that sees pixels alone cannot read them, but the quality of JPEG and the
size of an image leave traces in its pixels. Compression can remove such traces, by making all files
alike, and can add some, by leaving the images of one class as they were.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from jpegprep.common.errors import UserError
from jpegprep.common.files import write_json
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parallel import in_order
from jpegprep.common.parquet import read_parquet
from jpegprep.evaluation.kept import kept_by_class, uneven_in_words
from jpegprep.evaluation.stats import CROSSFITTED_FACTOR, accuracy_interval
from jpegprep.images.variants import store_of
from jpegprep.learners.folds import FOLDS, folds_of, places_and_groups
from jpegprep.shards.headers import NAMES, OF_BYTES, header_features
from jpegprep.shards.shards import ShardReader, splits_of
from jpegprep.shards.sizes import same_files

_MOST_IMAGES, _SEED = 20_000, 0
# What counts as a leak is our choice. It must be sure, and large enough to matter: many small
# differences, such as more upright pictures in one class, tell a little of a class and do no harm.
_SURE = 0.999  # the confidence with which there is anything at all
_MARGIN = 0.1  # the least difference of shares
_FOUND = 0.5  # of a single class: the share found less the share of others taken for it
_RULE = (
    f"The lower bound of balanced accuracy is above chance + {_MARGIN} at 95 %, and above chance "
    f"at {_SURE:.1%}; or a class is found: found less falsely_found is above {_FOUND}, and "
    f"found_low less falsely_found_high above {_MARGIN}."
)
_TREES, _DRAWN = 50, 5_000  # trees of a forest, and how many images each is grown on at most
_FOREST_BYTES = 1 << 30  # at most, about: each node of a tree holds a number a class
_CHUNK = 256  # images whose headers one thread reads in turn

Features = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def audit(
    shards: Mapping[str, str | Path],
    groups: str | Path,
    split: str | Path,
    target: str | Path,
    threads: int,
) -> None:
    """Predict the classes from headers alone, of each variant, and write what came of it as JSON.

    A random forest is cross-validated in five folds on the images of all splits, each class of the
    same weight. Of images that have equal bytes before compression and the same class one counts;
    those of different classes, and what belongs together otherwise, are in one fold. A class with a
    single image is left out. Of more than 20,000 images the same share of each class is drawn. The
    result is the same for any number of threads.

    Args:
        shards: of each variant the folder of its shards; the original's comes first.
        groups: the file that says which images belong together, and which have equal bytes.
        split: the parquet file that gives each image its class.
        target: the file to write, an object with these keys. ``reason``: why there is no audit, or
            empty. ``images``: in the shards; ``distinct``: without copies; ``audited``: that were
            predicted. ``classes``: audited; ``classes_left_out``: with a single image. The rest is
            missing where there is no audit. ``folds``; ``rule``: when it ``leaks``, in words.
            ``chance``: the ``accuracy`` of naming the largest class, and the ``balanced_accuracy``
            of any guess (one over the classes). ``variants``: a list, of each ``variant`` whether
            it ``leaks`` (without bytes), what `_predictions` tells of ``all_headers`` and
            ``without_bytes`` (file size is partly content), and what `kept_by_class` tells of the
            distinct images: ``kept``, null of the original.
        threads: how many read files; the forests grow in one.

    Raises:
        UserError: where shards are damaged, differ in their images, or lack a row of the groups or
            the split.
    """
    tars = {name: [t for of in splits_of(f).values() for t in of] for name, f in shards.items()}
    readers = {name: ShardReader(of) for name, of in tars.items()}
    for name, reader in readers.items():
        if not np.array_equal(reader.keys, readers[ORIGINAL].keys):
            raise UserError(
                f"{shards[name]}: holds other images than {shards[ORIGINAL]}; remove it: its "
                "shards are made again"
            )
    table = _distinct(readers[ORIGINAL].keys, groups, split)
    counts = table["class"].value_counts()
    known = table[table["class"].map(counts) > 1]
    drawn = _sample(known)
    names, labels = np.unique(drawn["class"].to_numpy(dtype=str), return_inverse=True)
    result: dict[str, Any] = {
        "reason": "",
        **{"images": len(readers[ORIGINAL]), "distinct": len(table), "audited": len(drawn)},
        **{"classes": len(names), "classes_left_out": int((counts < 2).sum())},
    }
    if len(names) < 2:
        result["reason"] = (
            f"{'one class' if len(names) else 'no class'} has two or more different images; there "
            "is nothing to tell apart"
        )
        write_json(target, result)
        return
    fold = folds_of(labels, drawn["group"].to_numpy(), FOLDS, _SEED)
    chance = float(np.bincount(labels).max() / len(labels))
    result |= {"folds": FOLDS, "rule": _RULE}
    result["chance"] = {"accuracy": _round(chance), "balanced_accuracy": _round(1 / len(names))}
    variants = []
    for variant, reader in readers.items():
        features = _features(reader, drawn.index.to_numpy(), threads)
        told = {
            name: _predictions(features[:, columns], columns, labels, fold, names)
            for name, columns in _COLUMNS.items()
        }
        kept = None
        if variant != ORIGINAL:
            same = same_files(shards[variant], shards[ORIGINAL])["same"].to_numpy()
            kept = kept_by_class(same[table.index], table["class"].to_numpy(dtype=str))
        leaks = told["without_bytes"]["leaks"]
        variants.append({"variant": variant, "leaks": leaks, **told, "kept": kept})
    write_json(target, {**result, "variants": variants})


def warning(audit: Mapping[str, Any]) -> str:
    """Return what a user should know of an audit, in a few sentences.

    Args:
        audit: as `audit` writes it.

    Returns:
        An empty string where no labels leak without bytes, and compression keeps about the same
        share of each class.
    """
    if audit["reason"]:
        return ""
    chance = audit["chance"]["balanced_accuracy"]
    return " ".join(_of_leaks(audit["variants"], chance) + _of_kept(audit["variants"]))


def _of_leaks(variants: Sequence[Mapping[str, Any]], chance: float) -> list[str]:
    leaking = [of for of in variants if of["leaks"]]
    if not leaking:
        return []
    first = leaking[0]
    told = first["without_bytes"]
    columns = _listed([column["name"].replace("_", " ") for column in told["columns"]])
    where = "before compression" if first["variant"] == ORIGINAL else _with(first)
    after = variants[list(variants).index(first) + 1 :]
    if _above_chance(told, chance):
        share, low, high = (told[f"balanced_accuracy{of}"] for of in ("", "_low", "_high"))
        what = (
            f"{share:.0%} of the images of a class on average {where} (95 % interval {low:.0%} to "
            f"{high:.0%}; chance {chance:.0%})"
        )
        shares = [(of["without_bytes"]["balanced_accuracy"], _with(of)) for of in after]
        for share, told_of in sorted({min(shares), max(shares)}) if shares else ():
            what += f", {share:.0%} {told_of}"
    else:
        found = told["found"][0]
        what = (
            f"{found['found']:.0%} of the images of class {found['class']!r} {where}, for which it "
            f"takes {found['falsely_found']:.0%} of the others"
        )
        for leaks, verb in ((True, "still"), (False, "not clearly")):
            if alike := [_with(of) for of in after if of["leaks"] == leaks]:
                what += f", {verb} so {_listed(alike)}"
    return [
        f"File headers give the class away: mostly from {columns}, and without the sizes of the "
        f"files, a random forest finds {what}.",
        "A network that sees pixels alone cannot read headers, but the quality of JPEG and the "
        "size of an image leave traces in its pixels: part of its accuracy may come from how the "
        "files were made.",
    ]


def _with(of: Mapping[str, Any]) -> str:
    return f"with {store_of(of['variant'])}"


def _listed(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}" if others else last


def _of_kept(variants: Sequence[Mapping[str, Any]]) -> list[str]:
    uneven = [of for of in variants if of["kept"] and of["kept"]["differs"]]
    if not uneven:
        return []
    most = max(uneven, key=lambda of: abs(of["kept"]["classes"][0]["share"] - of["kept"]["share"]))
    return [uneven_in_words(_with(most), most["kept"])]


# The columns of each set of features, by their place in `NAMES`.
_COLUMNS = {
    "all_headers": list(range(len(NAMES))),
    "without_bytes": [i for i, name in enumerate(NAMES) if name not in OF_BYTES],
}


def _distinct(keys: npt.NDArray[np.str_], groups: str | Path, split: str | Path) -> pd.DataFrame:
    """Return class and group of the images without copies, by their place in the shards."""
    places, group = places_and_groups(groups, keys)
    contents = read_parquet(groups, ["content"]).to_pandas()["content"].to_numpy()[places]
    classes = read_parquet(split, ["key", "class"]).to_pandas().set_index("key")["class"]
    table = pd.DataFrame({"class": classes.reindex(keys.tolist()).to_numpy(), "group": group})
    if table["class"].isna().any():
        missing = keys[table["class"].isna().to_numpy()][0]
        raise UserError(
            f"{split}: lacks {missing}, which a shard holds; remove it: it is made again"
        )
    return table[~table.assign(group=contents).duplicated()]


def _sample(images: pd.DataFrame) -> pd.DataFrame:
    """Return the same share of each class, drawn at random, but two images at least."""
    share = min(1.0, _MOST_IMAGES / max(1, len(images)))
    rng = np.random.default_rng(_SEED)
    rows = [
        rng.permutation(group)[: max(2, round(share * len(group)))]
        for group in images.groupby("class").indices.values()
    ]
    return images.iloc[np.sort(np.concatenate(rows))] if rows else images


def _features(reader: ShardReader, places: npt.NDArray[np.intp], threads: int) -> Features:
    """Return the header features of some images, (n, columns)."""
    chunks = [places[i : i + _CHUNK] for i in range(0, len(places), _CHUNK)]
    return np.concatenate(list(in_order(partial(_of_chunk, reader), chunks, threads)))


def _of_chunk(reader: ShardReader, chunk: npt.NDArray[np.intp]) -> Features:
    return np.stack([header_features(reader.image(i)) for i in chunk])


def _predictions(
    features: Features,
    columns: Sequence[int],
    labels: Labels,
    fold: Labels,
    names: npt.NDArray[np.str_],
) -> dict[str, Any]:
    """Return what the forests of the folds predict of the images that they have not seen.

    Returns:
        ``n``; ``accuracy`` and ``balanced_accuracy`` (the mean over classes of the share of its
        images that are found), each with the 95 % interval ``_low`` to ``_high``; the latter's
        ``balanced_accuracy_sure_low``, of 99.9 %; ``columns``: the three with the largest
        importance (the mean decrease of Gini impurity, over the folds; all columns' sum to 1), each
        a ``name`` and its ``importance``; ``found``: the classes that are surely found, at most
        five, each with ``class``, ``n``, ``found`` (the share of its images) and ``falsely_found``
        (the share of the others taken for it), and the bounds ``found_low`` and
        ``falsely_found_high`` of 99.9 %, corrected for the number of classes; ``leaks``: whether
        the rule says so.
    """
    predicted, importance = _crossfit(features, labels, fold)
    right = predicted == labels
    accuracy, low, high, _ = accuracy_interval(right[np.newaxis], crossfitted=True)
    counts = np.bincount(labels)
    hits = np.bincount(labels[right], minlength=len(names))
    balanced = float((hits / counts).mean())
    balanced_low, balanced_high = _balanced_interval(hits, counts, 0.95)
    sure_low, _ = _balanced_interval(hits, counts, _SURE)
    found = _found(hits, counts, np.bincount(predicted, minlength=len(names)), names)
    top = [i for i in np.argsort(-importance, kind="stable")[:3] if importance[i] > 0]
    told = {
        **{"n": len(labels), "accuracy": _round(accuracy)},
        **{"accuracy_low": _round(low), "accuracy_high": _round(high)},
        "balanced_accuracy": _round(balanced),
        "balanced_accuracy_low": _round(balanced_low),
        "balanced_accuracy_high": _round(balanced_high),
        "balanced_accuracy_sure_low": _round(sure_low),
        "columns": [{"name": NAMES[columns[i]], "importance": _round(importance[i])} for i in top],
        "found": found[:5],
    }
    return {**told, "leaks": bool(found) or _above_chance(told, 1 / len(names))}


def _above_chance(told: Mapping[str, Any], chance: float) -> bool:
    """Tell whether balanced accuracy is surely and far above chance."""
    low, sure_low = (told[f"balanced_accuracy_{name}"] for name in ("low", "sure_low"))
    return bool(low > chance + _MARGIN and sure_low > chance)


def _crossfit(
    features: Features, labels: Labels, fold: Labels
) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Return each image's class as predicted by the other folds, and each column's importance.

    In one thread: in several, scikit-learn 1.9 loses the filters of warnings of the whole process,
    and would add the trees' votes in any order.
    """
    from sklearn.ensemble import RandomForestClassifier

    predicted = np.empty_like(labels)
    importance = np.zeros(features.shape[1])
    classes = int(labels.max()) + 1
    for k in np.unique(fold):
        drawn = fold != k
        grown = min(int(drawn.sum()), _DRAWN)
        # In leaves of a single image the weights of the classes would have no effect.
        leaf = min(5, max(1, grown // (10 * classes)))
        forest = RandomForestClassifier(
            _TREES,
            min_samples_leaf=max(leaf, ceil(16 * classes * grown * _TREES / _FOREST_BYTES)),
            max_samples=grown,
            class_weight="balanced",
            random_state=_SEED,
        ).fit(features[drawn], labels[drawn])
        predicted[~drawn] = forest.predict(features[~drawn])
        with np.errstate(invalid="ignore"):  # of trees that nothing could split
            importance += np.nan_to_num(forest.feature_importances_) / len(np.unique(fold))
    return predicted, importance


def _balanced_interval(
    hits: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], confidence: float
) -> tuple[float, float]:
    """Return the interval of the mean of the classes' shares of hits.

    Wilson's, with the number of images that would give a single share the variance of this mean.
    For the variance alone each class has a hit and a miss more: a share of three out of three is
    not certain.

    Args:
        hits: of each class.
        counts: its images.
        confidence: of the interval, two-sided.
    """
    shares = (hits + 1) / (counts + 2)
    variance = CROSSFITTED_FACTOR * float((shares * (1 - shares) / counts).sum()) / len(counts) ** 2
    images = float(shares.mean() * (1 - shares.mean())) / variance
    return _wilson(float((hits / counts).mean()), images, confidence)


def _wilson(share: Any, images: Any, confidence: float) -> tuple[Any, Any]:
    """Return Wilson's score interval of one share or several."""
    low, high = proportion_confint(share * images, images, alpha=1 - confidence, method="wilson")
    return low, high


def _found(
    hits: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
    named: npt.NDArray[np.int64],
    names: npt.NDArray[np.str_],
) -> list[dict[str, Any]]:
    """Return the classes that are surely found, see `_predictions`, the surest first."""
    confidence = 1 - (1 - _SURE) / len(names)
    others = counts.sum() - counts
    found, falsely = hits / counts, (named - hits) / others
    low, _ = _wilson(found, counts / CROSSFITTED_FACTOR, confidence)
    _, high = _wilson(falsely, others / CROSSFITTED_FACTOR, confidence)
    order = np.argsort(high - low, kind="stable")
    return [
        {
            **{"class": str(names[i]), "n": int(counts[i])},
            **{"found": _round(found[i]), "found_low": _round(low[i])},
            **{"falsely_found": _round(falsely[i]), "falsely_found_high": _round(high[i])},
        }
        for i in order
        if found[i] - falsely[i] > _FOUND and low[i] - high[i] > _MARGIN
    ]


def _round(share: float) -> float:
    return round(float(share), 6)
