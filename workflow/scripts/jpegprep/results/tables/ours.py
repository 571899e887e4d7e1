"""What of a study stands beside the paper's numbers: its images, accuracies and differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.common.layout import ORIGINAL
from jpegprep.common.parquet import read_parquet
from jpegprep.evaluation.decision import beats_largest_class, seeds_in_words
from jpegprep.evaluation.reproducing import (
    Estimate,
    Training,
    of_a_part,
    training_of_pairs,
    training_of_seeds,
    widened,
)
from jpegprep.shards.shards import read_index, splits_of

# Of the whole data set is what has its classes and about as many images: of the paper's 7,400 Pets
# the archive has 7,390.
_WHOLE = 0.01
_MIB = 1 << 20

WHOLE = "all"  # what part of a data set ours is
# Why a study has nothing beside a number or a claim of the paper.
NO_DATA = "no such data set in this study"
NO_MODEL_SIZE = "no model_size in this study"
NO_NOISE = "no noise in this study"
NO_RATIO = "nothing at ratio 0.3, as the paper compresses, in this study"


@dataclass(frozen=True)
class Tested:
    """An accuracy, or a difference of two, of a study.

    Attributes:
        estimate: with the interval that the study's tables print.
        anew: with that of training anew, see `evaluation.reproducing`.
        training: how much one run of it varies from training to training.
        n: test images.
        seeds: or repeats.
        interval: what the interval is.
        parts: of one difference's variance: between seeds, between images, and the rest.
    """

    estimate: Estimate
    anew: Estimate
    training: Training
    n: int
    seeds: int
    interval: str
    parts: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Images:
    """How many images of a data set a study has.

    Attributes:
        counts: classes, total, train, test, validation.
        whole: whether it has the whole data set.
        all_classes: whether it has all classes.
        words: what part it is; empty of a data set that the paper has not.
    """

    counts: Mapping[str, int]
    whole: bool
    all_classes: bool
    words: str


class Ours:
    """A study's numbers, by what they are of."""

    def __init__(
        self,
        paper: pd.DataFrame,
        margin: float,
        counts: str | Path,
        sizes: Mapping[str, Mapping[str, str | Path]],
        splits: Mapping[str, str | Path],
        accuracy: str | Path,
        runs: str | Path,
        differences: str | Path,
        noise: str | Path | None,
    ) -> None:
        """Read the study's tables.

        Args:
            paper: its numbers, see `published.read_all`; of Table I.
            margin: the loss of accuracy that is accepted, a fraction.
            counts: the CSV of Table I.
            sizes: of each data set the folders of the shards of the ``original`` and of the
                ``compressed`` images; empty, where none are at the paper's ratio.
            splits: of each data set.
            accuracy: the table of `evaluation.evaluate`.
            runs: its table of runs.
            differences: the table of `evaluation.compare`.
            noise: the CSV of Table IV; None, where the study has none.
        """
        self.margin = margin
        counted = paper[paper["table"] == "I"]
        self._paper = counted.pivot(index="row", columns="column", values="value")
        self._counts = pd.read_csv(counts).set_index("dataset")
        self._sizes, self._splits = sizes, splits
        self._accuracy = _by(pd.read_csv(accuracy), "dataset", "learner", "variant")
        self._runs = pd.read_csv(runs)
        sides = ("dataset", "learner", "variant", "other_learner", "other_variant")
        self._differences = _by(pd.read_csv(differences), *sides)
        self.noise = pd.DataFrame({"dataset": []}) if noise is None else pd.read_csv(noise)

    def noisy(self) -> list[str]:
        """Return the data sets of Table IV."""
        return [str(name) for name in self.noise["dataset"].unique()]

    def images(self, dataset: str) -> Images | None:
        """Return how many images of a data set there are; None, where there are none."""
        if dataset not in self._counts.index:
            return None
        row: dict[Any, Any] = self._counts[self._counts.index == dataset].iloc[0].to_dict()
        counts = {name: int(row[name]) for name in _COUNTS}
        if dataset not in self._paper.index:
            return Images(counts, True, True, "")
        paper = self._paper.loc[dataset]
        all_classes = counts["classes"] == paper["classes"]
        share = counts["total"] / paper["total"]
        if all_classes and abs(share - 1) < _WHOLE:
            return Images(counts, True, True, WHOLE)
        classes = "all" if all_classes else f"{counts['classes']} of {paper['classes']:.0f}"
        words = f"{100 * share:.2g} % of the images, {classes} classes"
        return Images(counts, False, all_classes, words)

    def sizes(self, dataset: str) -> dict[str, Estimate]:
        """Return the sizes of Table III, by the paper's columns; none, where they are not known.

        Of the whole data set exact, in MiB; of a part in bytes an image, with an interval.
        """
        images = self.images(dataset)
        if images is None or dataset not in self._sizes:
            return {}
        found = {name: _bytes(folder) for name, folder in self._sizes[dataset].items()}
        table = pd.DataFrame({name: of_images["bytes"] for name, of_images in found.items()})
        table["label"] = found["original"]["label"]

        def over(above: str, below: Any) -> Estimate:
            if not images.whole:
                return of_a_part(table["label"], table[above], below, images.all_classes)
            value = float(table[above].sum() / np.sum(below))
            return Estimate(value, value, value)

        one = _MIB if images.whole else np.ones(len(table))
        return {
            "original_mib": over("original", one),
            "compressed_mib": over("compressed", one),
            "relative_size": over("compressed", table["original"]),
        }

    def accuracy(self, dataset: str, learner: str, variant: str) -> Tested | None:
        """Return the accuracy of a learner's models on images of their own variant; or None."""
        row = self._accuracy.get((dataset, learner, variant))
        if row is None:
            return None
        runs = self._runs
        of_seeds = runs[
            (runs["dataset"] == dataset)
            & (runs["learner"] == learner)
            & (runs["variant"] == variant)
        ]
        training = training_of_seeds(of_seeds["accuracy"].tolist())
        estimate = Estimate(row["accuracy"], row["low"], row["high"])
        interval = str(row["interval"])
        known = row["seeds"] > 1 or "cross-fitted" in interval
        anew = estimate if known else widened(estimate, training)
        return Tested(estimate, anew, training, int(row["n"]), int(row["seeds"]), interval)

    def difference(
        self, dataset: str, one: tuple[str, str], other: tuple[str, str]
    ) -> Tested | None:
        """Return the accuracy of one (learner, variant) less another's; None if not compared."""
        as_asked = self._differences.get((dataset, *one, *other))
        row = as_asked or self._differences.get((dataset, *other, *one))
        if row is None:
            return None
        estimate = Estimate(row["difference"], row["low"], row["high"])
        estimate = estimate if as_asked else estimate.negated()
        parts = (row["seed_variance"], row["image_variance"], row["rest_variance"])
        n, seeds, crossed = int(row["n"]), int(row["seeds"]), bool(row["crossfitted"])
        training = training_of_pairs(seeds, n, parts)
        anew = estimate if seeds > 1 or crossed else widened(estimate, training)
        interval = "cross-fitted" if crossed else ""
        return Tested(estimate, anew, training, n, seeds, interval, parts)

    def recipe(self, dataset: str, learner: str) -> dict[str, Any]:
        """Return the epochs and the image size that a learner was trained with."""
        rows = self._runs[(self._runs["dataset"] == dataset) & (self._runs["learner"] == learner)]
        return dict(rows.iloc[0][["epochs", "image_size"]]) if len(rows) else {}

    def learnt(self, dataset: str, learner: str) -> bool:
        """Tell whether a network of originals knows more than their largest class."""
        found = self.accuracy(dataset, learner, ORIGINAL)
        labels = read_parquet(self._splits[dataset], ["label"])["label"].to_pandas()
        chance = float(labels.value_counts(normalize=True).iloc[0])
        return found is not None and beats_largest_class(found.anew.low, chance, self.margin)


_COUNTS = ("classes", "total", "train", "test", "validation")


def are(count: int) -> str:
    """Return ``1 is`` or ``3 are``."""
    return f"{count} {'is' if count == 1 else 'are'}"


def seeds_or_repeats(table: pd.DataFrame) -> list[str]:
    """Return the seeds of each row, from seeds and interval; where nothing was tested, no text."""
    words = seeds_in_words(table.fillna({"interval": ""}))
    return [
        "" if pd.isna(seeds) else word for seeds, word in zip(table["seeds"], words, strict=True)
    ]


def _bytes(folder: str | Path) -> pd.DataFrame:
    tars = [tar for split in splits_of(folder).values() for tar in split]
    indexes = [read_index(tar)[0][["key", "label", "bytes"]] for tar in tars]
    return pd.concat(indexes).set_index("key").sort_index()


def _by(table: pd.DataFrame, *keys: str) -> dict[tuple[str, ...], dict[str, Any]]:
    """Return a table's rows by some of its columns."""
    rows = [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
    return {tuple(str(row[key]) for key in keys): row for row in rows}
