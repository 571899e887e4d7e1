"""Controls of a tabular classifier: the same trees on the same images, as one thing differs.

Whether compression changes what a tabular classifier can do with a JPEG file is confounded by how
the original files were made. Extra trees (P. Geurts, D. Ernst, L. Wehenkel, Machine Learning 63,
2006) cost little and ask three questions of every variant:

- ``dequantized``: on the coefficients of the image, as the headline's features are.
- ``undequantized``: on those of the file, in units of its own quantization steps. Where all files
  have the same tables, the two differ by a constant factor, which trees do not see.
- ``encoder``: on what the headers tell of the encoder alone. What they tell beyond ``baseline``,
  the largest class, is a leak: no pixel was looked at.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.parquet import read_parquet, write_parquet

TREES = ("dequantized", "undequantized", "encoder")
# Many small forests, one after the other: of 397 classes a tree holds tens of megabytes.
_FORESTS, _TREES = 10, 20

Labels = npt.NDArray[np.int64]


def controls(
    train: Mapping[str, pd.DataFrame],
    labels: Labels,
    test: Mapping[str, pd.DataFrame],
    seed: int,
    threads: int,
) -> pd.DataFrame:
    """Return what the controls predict of the test images.

    Args:
        train: of each of `TREES` the features of the training images, a row an image.
        labels: (n,) their classes.
        test: likewise of the test images.
        seed: of the trees.
        threads: processors to use; they change nothing but the time.

    Returns:
        A row a test image: the class that each of `TREES` and ``baseline`` predicts. Files without
        chroma have a baseline of their own, since the headers tell which images are gray, and that
        is no trace of an encoder.
    """
    found = {name: _trees(train[name], labels, test[name], seed, threads) for name in TREES}
    gray = [
        table["encoder"]["encoder_horizontal_sampling"].to_numpy() < 0 for table in (train, test)
    ]
    return pd.DataFrame({**found, "baseline": _largest(gray[0], labels, gray[1])}).astype(np.int32)


def _trees(
    train: pd.DataFrame, labels: Labels, test: pd.DataFrame, seed: int, threads: int
) -> Labels:
    from sklearn.ensemble import ExtraTreesClassifier

    votes, inputs = 0.0, test.to_numpy()
    for i in range(_FORESTS):
        state = np.random.SeedSequence([seed, i]).generate_state(1)[0]
        forest = ExtraTreesClassifier(_TREES, random_state=int(state), n_jobs=threads)
        forest.fit(train.to_numpy(), labels)
        forest.n_jobs = 1  # threads would add the votes in the order in which they come
        votes = votes + forest.predict_proba(inputs)
    return forest.classes_[np.asarray(votes).argmax(axis=1)]


def _largest(train: npt.NDArray[np.bool_], labels: Labels, test: npt.NDArray[np.bool_]) -> Labels:
    """Return the largest class of the training images that are in the same one of two groups."""
    of_all = np.bincount(labels).argmax()
    of_group = {
        group: np.bincount(labels[train == group]).argmax() if (train == group).any() else of_all
        for group in (False, True)
    }
    return np.where(test, of_group[True], of_group[False])


def write_controls(
    path: Path,
    keys: npt.NDArray[np.str_],
    labels: Labels,
    predicted: pd.DataFrame,
    groups: Labels | None = None,
) -> None:
    """Write controls.parquet: key, label, group, what each control predicts; a row a test image.

    Args:
        path: where to write; the caller renames it.
        keys: (n,) the samples' keys.
        labels: (n,) the true classes.
        predicted: what `controls` returns.
        groups: as of `runs.write_predictions`.
    """
    about = {"key": keys, "label": labels.astype(np.int32), "group": -1}
    if groups is not None:
        about["group"] = groups
    write_parquet(pd.DataFrame({**about, **predicted}), path)


def read_controls(path: str | Path) -> pd.DataFrame:
    """Read controls.parquet.

    Raises:
        UserError: where the file is damaged.
    """
    return read_parquet(path, ["key", "label", "group", *TREES, "baseline"]).to_pandas()
