"""The audit: what a random forest predicts of the classes from file headers alone.

Labels leak where the classes of a data set come from different cameras, programs or web sites. The
headers show it; a network that sees pixels alone cannot read them, but the quality of JPEG and the
size of an image leave traces in its pixels. Compression can remove such traces, by making all files
alike, and can add some, by leaving the images of one class as they were.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from jpegprep.common.errors import UserError
from jpegprep.common.files import write_json
from jpegprep.common.layout import SPLITS
from jpegprep.common.parallel import in_order
from jpegprep.common.parquet import read_parquet
from jpegprep.datasets.splits import sample
from jpegprep.evaluation.stats import accuracy_interval
from jpegprep.learners.probe import FOLDS, _places_and_groups, folds_of
from jpegprep.shards.headers import NAMES, OF_BYTES, header_features
from jpegprep.shards.shards import ShardReader, read_index, splits_of

_MOST_IMAGES, _SEED = 20_000, 0
# What counts as a leak is our choice. It must be sure, and large enough to matter: a class is told
# by many small differences, such as that of upright and lying pictures, that mean no harm.
_MARGIN = 0.1  # of balanced accuracy above chance, and of a share of kept images from the overall
_FOUND = 0.5  # of a single class: the share found less the share of others taken for it
_SURE = 0.999  # the confidence of the bounds that are compared with them
_RULE = (
    f"The lower {_SURE:.1%} bound of balanced accuracy is above chance + {_MARGIN}, or a class is "
    f"surely found: its found_low less its falsely_found_high is above {_FOUND}."
)
_TREES, _LEAF = 100, 2
_LEAF_BYTES = 1 << 29  # a forest holds a number a class in each node
_FACTOR = 1.5  # of the variance, for cross-fitting, as in `stats`
_CHUNK = 256  # images whose headers one thread reads in turn

Features = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


def audit(
    shards: Mapping[float, str | Path],
    manifest: str | Path,
    split: str | Path,
    target: str | Path,
    threads: int,
) -> None:
    """Predict the classes from headers alone at each ratio, and write what came of it as JSON.

    A random forest is cross-validated in five folds on the images of all splits, each class of the
    same weight. Of images that have equal bytes before compression and the same class one counts;
    those of different classes are in one fold. A class with a single image is left out. Of more
    than 20,000 images the same share of each class is drawn. The result is the same for any number
    of threads.

    Args:
        shards: of each ratio the folder of its shards; 1.0, the original, is among them.
        manifest: of the data set: which images have equal bytes.
        split: the parquet file that gives each image its class.
        target: the file to write, an object with these keys. ``reason``: why there is no audit, or
            empty; then the rest below ``classes`` is missing. ``images``: in the shards.
            ``distinct``: without copies. ``audited``: how many of them were predicted.
            ``classes``: audited. ``classes_left_out``: with a single image. ``folds``, ``rule``:
            when it ``leaks``, in words. ``chance``: the ``accuracy`` of naming the largest class,
            the ``balanced_accuracy`` of any guess (one over the classes). ``ratios``: a list, of
            each ``ratio`` what ``leaks`` (without bytes) and what `_predictions` and `_kept` tell:
            ``all_headers``, ``without_bytes`` (file size is partly content), and ``kept`` (null at
            1.0).

    Raises:
        UserError: where shards are damaged, differ in their images, or lack a manifest's or split's
            row.
    """
    tars = {ratio: [t for of in splits_of(f).values() for t in of] for ratio, f in shards.items()}
    readers = {ratio: ShardReader(of) for ratio, of in tars.items()}
    for ratio, reader in readers.items():
        if not np.array_equal(reader.keys, readers[1.0].keys):
            raise UserError(
                f"{shards[ratio]}: holds other images than {shards[1.0]}; remove it: its shards "
                "are made again"
            )
    table = _distinct(readers[1.0].keys, manifest, split)
    counts = table["class"].value_counts()
    known = table[table["class"].map(counts) > 1]
    drawn = sample(known, _MOST_IMAGES, _SEED)
    names, labels = np.unique(drawn["class"].to_numpy(dtype=str), return_inverse=True)
    result: dict[str, Any] = {
        "reason": "",
        **{"images": len(readers[1.0]), "distinct": len(table), "audited": len(drawn)},
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
    originals = _contents(tars[1.0])
    ratios = []
    for ratio, reader in readers.items():
        features = _features(reader, drawn.index.to_numpy(), threads)
        told = {
            name: _predictions(features[:, columns], columns, labels, fold, names, threads)
            for name, columns in _COLUMNS.items()
        }
        kept = None
        if ratio != 1:
            same = (_contents(tars[ratio]) == originals).all(axis=1)
            kept = _kept(same[table.index], table["class"].to_numpy(dtype=str))
        leaks = told["without_bytes"]["leaks"]
        ratios.append({"ratio": ratio, "leaks": leaks, **told, "kept": kept})
    write_json(target, {**result, "ratios": ratios})


# The columns of each set of features, by their place in `NAMES`.
_COLUMNS = {
    "all_headers": list(range(len(NAMES))),
    "without_bytes": [i for i, name in enumerate(NAMES) if name not in OF_BYTES],
}


def _distinct(keys: npt.NDArray[np.str_], manifest: str | Path, split: str | Path) -> pd.DataFrame:
    """Return class and group of the images without copies, by their place in the shards."""
    _, groups = _places_and_groups(manifest, keys)
    classes = read_parquet(split, ["key", "class"]).to_pandas().set_index("key")["class"]
    table = pd.DataFrame({"class": classes.reindex(keys.tolist()).to_numpy(), "group": groups})
    if table["class"].isna().any():
        missing = keys[table["class"].isna().to_numpy()][0]
        raise UserError(
            f"{split}: lacks {missing}, which a shard holds; remove it: it is made again"
        )
    return table.drop_duplicates()


def _contents(tars: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return size and CRC-32 of each image file, (n, 2)."""
    indexes = pd.concat([read_index(tar)[0][["bytes", "crc32"]] for tar in tars])
    return indexes.to_numpy(dtype=np.int64)


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
    threads: int,
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
    predicted, importance = _crossfit(features, labels, fold, threads)
    right = predicted == labels
    accuracy, low, high, _ = accuracy_interval(right[np.newaxis], crossfitted=True)
    counts = np.bincount(labels)
    hits = np.bincount(labels[right], minlength=len(names))
    balanced = float((hits / counts).mean())
    balanced_low, balanced_high = _balanced_interval(hits, counts, 0.95)
    sure_low, _ = _balanced_interval(hits, counts, _SURE)
    found = _found(hits, counts, np.bincount(predicted, minlength=len(names)), names)
    top = np.argsort(-importance, kind="stable")[:3]
    return {
        **{"n": len(labels), "accuracy": _round(accuracy)},
        **{"accuracy_low": _round(low), "accuracy_high": _round(high)},
        "balanced_accuracy": _round(balanced),
        "balanced_accuracy_low": _round(balanced_low),
        "balanced_accuracy_high": _round(balanced_high),
        "balanced_accuracy_sure_low": _round(sure_low),
        "columns": [{"name": NAMES[columns[i]], "importance": _round(importance[i])} for i in top],
        "found": found[:5],
        "leaks": bool(found) or sure_low > 1 / len(names) + _MARGIN,
    }


def _crossfit(
    features: Features, labels: Labels, fold: Labels, threads: int
) -> tuple[Labels, npt.NDArray[np.float64]]:
    """Return each image's class as predicted by the other folds, and each column's importance."""
    from sklearn.ensemble import RandomForestClassifier

    predicted = np.empty_like(labels)
    importance = np.zeros(features.shape[1])
    for k in np.unique(fold):
        drawn = fold != k
        forest = RandomForestClassifier(
            _TREES,
            min_samples_leaf=_LEAF,
            max_leaf_nodes=max(2, _LEAF_BYTES // (16 * _TREES * (int(labels.max()) + 1))),
            class_weight="balanced",
            random_state=_SEED,
            n_jobs=threads,
        ).fit(features[drawn], labels[drawn])
        forest.n_jobs = 1  # several threads would add the trees' votes in any order
        predicted[~drawn] = forest.predict(features[~drawn])
        importance += forest.feature_importances_ / len(np.unique(fold))
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
    variance = _FACTOR * float((shares * (1 - shares) / counts).sum()) / len(counts) ** 2
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
    low, _ = _wilson(found, counts / _FACTOR, confidence)
    _, high = _wilson(falsely, others / _FACTOR, confidence)
    order = np.argsort(high - low, kind="stable")
    return [
        {
            **{"class": str(names[i]), "n": int(counts[i])},
            **{"found": _round(found[i]), "found_low": _round(low[i])},
            **{"falsely_found": _round(falsely[i]), "falsely_found_high": _round(high[i])},
        }
        for i in order
        if low[i] - high[i] > _FOUND
    ]


def _kept(same: npt.NDArray[np.bool_], classes: npt.NDArray[np.str_]) -> dict[str, Any]:
    """Return which images compression left as they were.

    Args:
        same: (n,) whether each image has its original's bytes.
        classes: (n,).

    Returns:
        ``n``, ``count`` and ``share`` of all distinct images; ``classes``: the five whose share
        differs most from it, in standard errors, each with ``class``, ``n``, ``count``, ``share``
        and the bounds ``low`` and ``high`` of 99.9 %, corrected for the number of classes;
        ``differs``: whether in one of all classes the interval is more than 0.1 from the overall
        share.
    """
    table = pd.DataFrame({"class": classes, "same": same}).groupby("class")["same"]
    names, n, count = (list(of) for of in (table.groups, table.size(), table.sum()))
    images, kept = np.array(n), np.array(count)
    overall = float(same.mean())
    low, high = _wilson(kept / images, images, 1 - (1 - _SURE) / len(names))
    away = np.abs(kept / images - overall) * np.sqrt(images)
    differs = (low > overall + _MARGIN) | (high < overall - _MARGIN)
    # Of classes that are equally far away, those of which it is sure come first.
    order = np.lexsort((-away, ~differs))[:5]
    return {
        **{"n": len(same), "count": int(same.sum()), "share": _round(overall)},
        "classes": [
            {
                **{"class": str(names[i]), "n": int(images[i]), "count": int(kept[i])},
                **{"share": _round(kept[i] / images[i])},
                **{"low": _round(low[i]), "high": _round(high[i])},
            }
            for i in order
        ],
        "differs": bool(differs.any()),
    }


def _round(share: float) -> float:
    return round(float(share), 6)
