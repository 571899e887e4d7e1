"""What compression costs: the classes that lose most, and the images that flip from right to wrong.

Both compare the models trained and tested at each ratio with those of the originals, on the same
test images.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.parquet import read_parquet
from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.accuracy import bounded, crossfitted, groups_of
from jpegprep.evaluation.decision import accuracies, seeds_in_words
from jpegprep.evaluation.kept import kept_by_class, uneven_in_words
from jpegprep.evaluation.stats import Groups, accuracy_interval, difference_interval, holm
from jpegprep.learners.runs import read_predictions
from jpegprep.shards.sizes import same_files

CLASS_COLUMNS = [
    *("dataset", "learner", "class", "ratio", "seeds", "interval", "n"),
    *("accuracy", "accuracy_low", "accuracy_high"),
    *("original_accuracy", "original_low", "original_high"),
    *("difference", "low", "high", "p", "p_holm"),
    *("images", "kept"),
]
FLIP_COLUMNS = [
    *("dataset", "learner", "key", "class", "first_ratio", "lost_for_good", "wrong_at"),
    "predicted",
]
_SHOWN = 10  # classes of a data set


@dataclass(frozen=True)
class Predictions:
    """What the models of one learner predicted on the test images of one data set.

    Attributes:
        keys: of the n images.
        labels: (n,) indexes of their classes.
        predicted: by ratio, from 1.0 down, or by variant, the original first: (seeds, n) indexes
            of the classes predicted.
        classes: the names of the classes.
        crossfitted: they are of models that were trained on the other folds.
        groups: (n,) as of `stats.spread`, or None.
    """

    keys: list[str]
    labels: npt.NDArray[np.int32]
    predicted: Mapping[Any, npt.NDArray[np.int32]]
    classes: Sequence[str]
    crossfitted: bool = False
    groups: Groups | None = None

    def correct(self, ratio: Any) -> npt.NDArray[np.bool_]:
        """Return whether each seed's model was right on each image, (seeds, n)."""
        correct: npt.NDArray[np.bool_] = self.predicted[ratio] == self.labels
        return correct

    @property
    def of_originals(self) -> npt.NDArray[np.bool_]:
        """What `correct` returns of the originals."""
        return self.correct(next(iter(self.predicted)))


def read_ratios(predictions: Mapping[Any, Sequence[str | Path]], split: str | Path) -> Predictions:
    """Read the predictions of all seeds at all ratios, or of all variants.

    Args:
        predictions: by ratio, or by variant, the predictions.parquet of the seeds, in the same
            order; the original's first.
        split: the data set's split, with the columns class and label.

    Raises:
        UserError: where a file is damaged, or two are of different test images.
    """
    tables = {
        ratio: [read_predictions(path) for path in paths] for ratio, paths in predictions.items()
    }
    original = next(iter(tables))
    first = tables[original][0]
    for ratio, seeds in tables.items():
        for path, table in zip(predictions[ratio], seeds, strict=True):
            if not table[["key", "label"]].equals(first[["key", "label"]]):
                raise UserError(
                    f"{path}: tested on other images than {predictions[original][0]}; remove both: "
                    "their runs are made again"
                )
    names = read_parquet(split, ["class", "label"]).to_pandas().drop_duplicates()
    return Predictions(
        first["key"].tolist(),
        first["label"].to_numpy(),
        {ratio: np.stack([t["predicted"] for t in seeds]) for ratio, seeds in tables.items()},
        names.sort_values("label")["class"].tolist(),
        crossfitted([first]),
        groups_of([first]),
    )


def _read(
    predictions: Mapping[str, Mapping[float, Sequence[str | Path]]],
    splits: Mapping[str, str | Path],
) -> dict[str, Predictions]:
    return {
        name: read_ratios(dict(sorted(files.items(), reverse=True)), splits[name])
        for name, files in predictions.items()
    }


def classes(
    predictions: Mapping[str, Mapping[float, Sequence[str | Path]]],
    splits: Mapping[str, str | Path],
    shards: Mapping[str, Mapping[float, str | Path]],
    learner: str,
    ratio: float,
    *targets: str | Path,
) -> None:
    """Write what each class loses at each ratio, and how many of its images were kept.

    Args:
        predictions: by data set and ratio, the predictions.parquet of the seeds.
        splits: by data set.
        shards: by data set and ratio the folder of the shards.
        learner: whose they are.
        ratio: the compressed ratio that the classes are ranked at.
        targets: files to write, .csv (a row a data set, class and compressed ratio; ``n`` are the
            class's test images; of a class with one, accuracies have the interval [0, 1], and the
            difference has neither interval nor p-values; ``p_holm`` is corrected for the classes of
            one data set and ratio; ``images`` are the class's in all splits, ``kept`` those whose
            files compression left as they were), .md or .html (the ten classes of each data set
            that lose most).

    Raises:
        UserError: where a file is damaged, or two are of different images.
    """
    found = _read(predictions, splits)
    table = pd.concat(
        [class_rows(dataset, learner, one) for dataset, one in found.items()], ignore_index=True
    )
    same = {
        (dataset, of_ratio): same_files(folder, folders[1.0])
        for dataset, folders in shards.items()
        for of_ratio, folder in folders.items()
        if of_ratio != 1.0
    }
    kept = [_kept(dataset, of, images, found[dataset]) for (dataset, of), images in same.items()]
    table = table.merge(pd.concat(kept), on=["dataset", "class", "ratio"], validate="one_to_one")[
        CLASS_COLUMNS
    ]
    ranked = table[table["ratio"] == ratio].sort_values("difference", kind="stable")
    ranked = pd.concat(
        [ranked[ranked["dataset"] == dataset].head(_SHOWN) for dataset in found], ignore_index=True
    )
    cells = table[["dataset", "class", "ratio"]].itertuples(index=False, name=None)
    at = dict(zip(cells, accuracies(table, "accuracy_low", "accuracy_high"), strict=True))
    shown = pd.DataFrame(
        {
            "data set": ranked["dataset"],
            "class": ranked["class"],
            "test images": ranked["n"],
            "seeds": seeds_in_words(ranked),
            "original": accuracy_with_interval(ranked, "original"),
        }
    )
    for column in sorted(table["ratio"].unique(), reverse=True):
        shown[str(column)] = [
            at[dataset, name, column]
            for dataset, name in zip(ranked["dataset"], ranked["class"], strict=True)
        ]
    bounds = ranked[["difference", "low", "high"]].to_numpy(dtype=float)
    shown[f"difference at {ratio}"] = [
        f"{value:+.3f}" + ("" if isnan(low) else f" [{low:+.3f}, {high:+.3f}]")
        for value, low, high in bounds
    ]
    if table["kept"].any():
        shown[f"kept at {ratio}"] = [
            f"{kept:,} of {images:,}"
            for kept, images in zip(ranked["kept"], ranked["images"], strict=True)
        ]
    uneven = [
        f"{dataset}: {uneven_in_words(f'at ratio {ratio}', told)}"
        for dataset, one in found.items()
        for told in [_kept_at(same[dataset, ratio], one)]
        if told["differs"]
    ]
    note = " ".join([_note(table, found, learner, ratio), *uneven])
    write_table(table, shown, note, targets)


def _kept(dataset: str, ratio: float, images: pd.DataFrame, found: Predictions) -> pd.DataFrame:
    """Return of each class how many images it has, and how many were kept at a ratio."""
    labels, count = images["label"].to_numpy(), len(found.classes)
    return pd.DataFrame(
        {
            **{"dataset": dataset, "ratio": ratio, "class": found.classes},
            "images": np.bincount(labels, minlength=count),
            "kept": np.bincount(labels[images["same"].to_numpy()], minlength=count),
        }
    )


def _kept_at(images: pd.DataFrame, found: Predictions) -> dict[str, Any]:
    names = np.array(found.classes)[images["label"].to_numpy()]
    return kept_by_class(images["same"].to_numpy(), names)


def class_rows(dataset: str, learner: str, found: Predictions) -> pd.DataFrame:
    """Return the rows of `classes` of one data set: its classes in their order, each ratio."""
    rows: list[tuple[object, ...]] = []
    originals = found.of_originals
    kind = accuracy_interval(originals, crossfitted=found.crossfitted, groups=found.groups)[3]
    for label, name in enumerate(found.classes):
        images = found.labels == label
        how = (found.crossfitted, None if found.groups is None else found.groups[images])
        for ratio in list(found.predicted)[1:]:
            one, other = found.correct(ratio)[:, images], originals[:, images]
            rows.append((dataset, learner, name, ratio, len(one), kind, one.shape[1]))
            rows[-1] += bounded(one, *how) + bounded(other, *how) + _difference(one, other, *how)
    table = pd.DataFrame(rows, columns=CLASS_COLUMNS[:-3])
    table["p_holm"] = np.nan
    for _, family in table.dropna(subset="p").groupby("ratio"):
        table.loc[family.index, "p_holm"] = holm(family["p"].tolist())
    return table


def _difference(
    one: npt.NDArray[np.bool_],
    other: npt.NDArray[np.bool_],
    crossed: bool,
    groups: Groups | None,
) -> tuple[float, float | None, float | None, float | None]:
    """Return difference, low, high and p; one image, or one group, has no interval."""
    if one.shape[1] < 2 or (groups is not None and len(np.unique(groups)) < 2):
        return float(one.mean() - other.mean()), None, None, None
    found = difference_interval(one, other, crossfitted=crossed, groups=groups)
    return found.difference, found.low, found.high, found.p


def _note(table: pd.DataFrame, found: Mapping[str, Predictions], learner: str, ratio: float) -> str:
    parts = []
    for dataset, one in found.items():
        rows = table[(table["dataset"] == dataset) & (table["ratio"] == ratio)]
        count, seeds = len(rows), len(one.predicted[1.0])
        sure = int((rows["p_holm"] < 0.05).sum())
        parts.append(
            f"{dataset}: {seeds} {'seed' if seeds == 1 else 'seeds'}, {rows['n'].median():.0f} "
            f"test images a class (median); at ratio {ratio}, {sure} of {count} classes differ "
            "from their original (p < 0.05, Holm's correction over the classes)."
        )
    return (
        f"The classes of each data set that lose most at ratio {ratio}, with the top-1 test "
        f"accuracy of {learner} at each ratio. {INTERVALS} Those of the difference are paired by "
        "image and seed; each is for its class alone. With so few images a class they are wide (of "
        "one image from 0 to 1: it tells nothing), and the worst of many classes are partly chosen "
        "by chance: on new images they would lose less (the winner's curse). " + " ".join(parts)
    )


def lost_classes(found: Predictions, margin: float) -> dict[Any, list[str]]:
    """Return the classes that are shown to lose a margin at each compressed ratio, or variant.

    The upper bound of the difference lies below -margin, in an interval that holds for all classes
    of a ratio at once (Bonferroni's correction). A class of one image or group shows nothing.

    Args:
        found: of one learner.
        margin: the loss of a class's accuracy that is accepted, a fraction.
    """
    originals = found.of_originals
    confidence = 1 - 0.05 / len(found.classes)
    lost: dict[Any, list[str]] = {}
    for ratio in list(found.predicted)[1:]:
        correct = found.correct(ratio)
        lost[ratio] = []
        for label, name in enumerate(found.classes):
            images = found.labels == label
            groups = None if found.groups is None else found.groups[images]
            if (images.sum() if groups is None else len(np.unique(groups))) > 1:
                sides = correct[:, images], originals[:, images]
                bounds = difference_interval(*sides, confidence, found.crossfitted, groups)
                if bounds.high <= -margin:
                    lost[ratio].append(name)
    return lost


def flips(
    predictions: Mapping[str, Mapping[float, Sequence[str | Path]]],
    splits: Mapping[str, str | Path],
    learner: str,
    target: str | Path,
) -> None:
    """Write the images that are classified correctly as originals and wrongly when compressed.

    What most of the seeds' models classify correctly counts as right, a tie as wrong.

    Args:
        predictions: as of `classes`.
        splits: likewise.
        learner: likewise.
        target: the CSV, a row an image: ``first_ratio`` is the greatest ratio from which on all
            smaller ones are wrong, too; where there is none (``lost_for_good`` is False), the
            greatest that is wrong; ``wrong_at`` lists all that are; ``predicted`` is the wrong
            class that most of the models predict there, the first of equals. Data set by data set,
            by first_ratio from 1.0 down, those lost for good first, then by the number of wrong
            ratios.
    """
    rows = []
    for dataset, one in _read(predictions, splits).items():
        flipped = [(dataset, learner, *row) for row in _flipped(one)]
        rows += sorted(flipped, key=lambda row: (-row[4], not row[5], -len(row[6]), row[2]))
    table = pd.DataFrame(rows, columns=FLIP_COLUMNS)
    table["wrong_at"] = [" ".join(map(str, ratios)) for ratios in table["wrong_at"]]
    with replacing(target) as part:
        table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")


def _flipped(found: Predictions) -> list[tuple[str, str, float, bool, list[float], str]]:
    """Return key, class, first_ratio, lost_for_good, wrong_at and predicted of each image."""
    ratios = list(found.predicted)
    right = np.stack([found.correct(ratio).mean(axis=0) > 0.5 for ratio in ratios])
    rows = []
    for i in np.flatnonzero(right[0] & ~right.all(axis=0)):
        wrong = [ratio for ratio, good in zip(ratios, right[:, i], strict=True) if not good]
        # How many of the smallest ratios are wrong, without a right one between them.
        last = int(np.argmax(right[::-1, i]))
        first = ratios[-last] if last else wrong[0]
        label = int(found.labels[i])
        votes = np.bincount(found.predicted[first][:, i])
        votes[found.labels[i] : found.labels[i] + 1] = (
            0  # the right one, where a tie counts as wrong
        )
        rows.append(
            (
                found.keys[i],
                found.classes[label],
                first,
                last > 0,
                wrong,
                found.classes[int(votes.argmax())],
            )
        )
    return rows
