"""Evaluation: the predictions of a study's runs become accuracies with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing, replacing_all
from jpegprep.common.layout import ORIGINAL, Run
from jpegprep.common.parquet import read_parquet
from jpegprep.common.records import read_run
from jpegprep.evaluation.stats import Groups, accuracy_interval, difference_interval, holm
from jpegprep.images.variants import ratio_of_variant
from jpegprep.learners.runs import read_predictions

RUN_COLUMNS = [
    *("dataset", "variant", "ratio", "learner", "seed", "epochs", "tested_epoch", "val_accuracy"),
    *("val_n", "val_low", "val_high"),
    *("n", "correct", "accuracy", "low", "high", "seconds", "device", "run"),
    *("architecture", "image_size", "parameters", "multiply_adds"),
]
ACCURACY_COLUMNS = [
    *("dataset", "learner", "variant", "ratio", "seeds", "n", "accuracy", "low", "high"),
    "interval",
]
DIFFERENCE_COLUMNS = [
    *("dataset", "learner", "variant", "ratio", "other_learner", "other_variant", "seeds", "n"),
    *("difference", "low", "high", "p", "p_holm", "gained", "lost"),
    *("seed_variance", "image_variance", "rest_variance", "crossfitted"),
]
TRANSFER_COLUMNS = ["dataset", "learner", "variant", "test_variant", *ACCURACY_COLUMNS[4:]]


def evaluate(
    runs: Sequence[tuple[str, str, str, int]],
    predictions: Sequence[str | Path],
    records: Sequence[str | Path],
    runs_table: str | Path,
    accuracy_table: str | Path,
    splits: Mapping[str, str | Path],
) -> None:
    """Write one row a run, and one row a (data set, learner, variant) over its seeds.

    Args:
        runs: the runs of the study.
        predictions: their predictions.parquet, in the same order.
        records: their run.json, likewise.
        runs_table: the CSV of runs: who it is, what it reached on validation and on test (each with
            its n and a 95 % interval), what it cost, where its record lies, and how large its
            network is (at the image size; empty where that is not known).
        accuracy_table: the CSV of accuracies over seeds, each with n and a 95 % interval. Variants
            with noise have no ratio.
        splits: by data set: how many images validate.

    Raises:
        UserError: where the seeds of one comparison were tested on different images, or a split is
            damaged.
    """
    validation = {name: validation_images(path) for name, path in splits.items()}
    rows: list[tuple[Any, ...]] = []
    groups: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    for run, prediction, record in zip(_runs(runs), predictions, records, strict=True):
        table = read_predictions(prediction)
        correct = (table["label"] == table["predicted"]).to_numpy()
        crossed = crossfitted([table])
        accuracy, low, high, _ = accuracy_interval(
            correct[np.newaxis], crossfitted=crossed, groups=groups_of([table])
        )
        facts = read_run(record)
        recipe, network = facts["recipe"], facts.get("model", {})
        ratio = ratio_of_variant(run.variant)
        rows.append(
            (
                *(run.dataset, run.variant, ratio, run.learner, run.seed),
                *(recipe.get("epochs"), facts["tested_epoch"]),
                *_validated(facts["val_accuracy"], validation.get(run.dataset)),
                *(len(correct), int(correct.sum()), accuracy, low, high),
                *(sum(facts["seconds"].values()), facts["device"]["name"], str(record)),
                *(recipe.get("architecture"), recipe.get("image_size")),
                *(network.get("parameters"), network.get("multiply_adds")),
            )
        )
        groups.setdefault((run.dataset, run.learner, run.variant), []).append(table)
    over_seeds = [(*key, ratio_of_variant(key[2]), *facts) for key, facts in _over_seeds(groups)]
    with replacing_all(runs_table, accuracy_table) as (runs_part, accuracy_part):
        _write(runs_part, RUN_COLUMNS, rows)
        _write(accuracy_part, ACCURACY_COLUMNS, over_seeds)


def validation_images(split: str | Path) -> int:
    """Return how many validation images a split has.

    Raises:
        UserError: where the file is damaged.
    """
    return read_parquet(split, ["split"])["split"].to_pylist().count("val")


def bounded(
    correct: npt.NDArray[np.bool_], crossfitted: bool = False, groups: Groups | None = None
) -> tuple[float, float, float]:
    """Return an accuracy and its 95 % interval, also of one group: that tells nothing, [0, 1].

    Args:
        correct: (seeds, n): whether each seed's model was right on each image.
        crossfitted: as of `stats.spread`.
        groups: likewise.
    """
    if correct.shape[1] < 2 or (groups is not None and len(np.unique(groups)) < 2):
        return float(correct.mean()), 0.0, 1.0
    accuracy, low, high, _ = accuracy_interval(correct, crossfitted=crossfitted, groups=groups)
    return accuracy, low, high


def bounded_of_shares(accuracies: Sequence[float], images: int) -> tuple[float, float, float]:
    """Return a mean accuracy and its 95 % interval where single answers are not known.

    Seeds count as right on the same images, as far as their accuracies let them: no other answers
    of these accuracies give their mean so large a variance.

    Args:
        accuracies: of each seed the share of the images that its model was right on.
        images: how many there are.
    """
    right = np.round(np.array(accuracies) * images)
    return bounded(np.arange(images) < right[:, np.newaxis])


def _validated(accuracy: float | None, images: int | None) -> tuple[Any, ...]:
    """Return a run's validation accuracy, n, low and high; None for what is not known."""
    if accuracy is None or images is None:
        return accuracy, None, None, None
    _, low, high = bounded_of_shares([accuracy], images)
    return accuracy, images, low, high


def _runs(runs: Sequence[tuple[str, str, str, int]]) -> list[Run]:
    return [Run(*run) for run in runs]


def evaluate_transfers(
    transfers: Sequence[tuple[tuple[str, str, str, int], str]],
    predictions: Sequence[str | Path],
    target: str | Path,
) -> None:
    """Write the accuracies of models on test images of another variant, over their seeds.

    Args:
        transfers: the run and the variant that its model was tested on.
        predictions: of each the predictions, in the same order.
        target: the CSV, a row a (data set, learner, variant, test variant).

    Raises:
        UserError: where the seeds of one comparison were tested on different images.
    """
    groups: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    for (of_run, tested), prediction in zip(transfers, predictions, strict=True):
        run = Run(*of_run)
        key = (run.dataset, run.learner, run.variant, tested)
        groups.setdefault(key, []).append(read_predictions(prediction))
    with replacing(target) as part:
        _write(part, TRANSFER_COLUMNS, [(*key, *facts) for key, facts in _over_seeds(groups)])


def compare(
    runs: Sequence[tuple[str, str, str, int]],
    predictions: Sequence[str | Path],
    pairs: Sequence[tuple[str, tuple[str, str], tuple[str, str]]],
    target: str | Path,
) -> None:
    """Write the differences of accuracies on the same test images, paired by image and seed.

    Args:
        runs: the runs of the study.
        predictions: their predictions.parquet, in the same order.
        pairs: the data set, and the learner and the variant of both sides, as `Study.pairs`.
        target: the CSV, a row a pair: the accuracy of the one side less the other's with its 95 %
            interval and p-value (`stats.difference_interval`), over the seeds that both have;
            ``p_holm`` is corrected for the ratios that one learner is compared with its original
            at; ``gained`` and ``lost`` are the shares of (seed, image) that only the one and only
            the other side got right; the variances are the parts of the difference's.

    Raises:
        UserError: where the two sides were tested on different images.
    """
    known = _runs(runs)
    tables = {
        (run.dataset, run.learner, run.variant, run.seed): path
        for run, path in zip(known, predictions, strict=True)
    }
    rows: list[tuple[Any, ...]] = []
    for dataset, one, other in pairs:
        seeds = [
            run.seed
            for run in known
            if (run.dataset, run.learner, run.variant) == (dataset, *one)
            and (dataset, *other, run.seed) in tables
        ]
        if not seeds:
            continue
        sides = [
            [read_predictions(tables[dataset, *side, seed]) for seed in seeds]
            for side in (one, other)
        ]
        same_images(f"{dataset}: {'/'.join(one)} and {'/'.join(other)}", sides[0] + sides[1])
        crossed = crossfitted(sides[0] + sides[1])
        found = difference_interval(
            _correct(sides[0]),
            _correct(sides[1]),
            crossfitted=crossed,
            groups=groups_of(sides[0] + sides[1]),
        )
        rows.append(
            (
                *(dataset, *one, ratio_of_variant(one[1]), *other, len(seeds), len(sides[0][0])),
                *(found.difference, found.low, found.high, found.p, None),
                *(found.gained, found.lost),
                *(found.spread.seed, found.spread.image, found.spread.rest, crossed),
            )
        )
    table = pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)
    of_ratios = table[(table["other_variant"] == ORIGINAL) & table["ratio"].notna()]
    of_ratios = of_ratios[of_ratios["learner"] == of_ratios["other_learner"]]
    for _, family in of_ratios.groupby(["dataset", "learner"]):
        table.loc[family.index, "p_holm"] = holm(family["p"].tolist())
    with replacing(target) as part:
        table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")


def _correct(tables: Sequence[pd.DataFrame]) -> npt.NDArray[np.bool_]:
    """Return whether each seed was right on each image, (seeds, n)."""
    return np.stack([(t["label"] == t["predicted"]).to_numpy() for t in tables])


def crossfitted(tables: Sequence[pd.DataFrame]) -> bool:
    """Tell whether these predictions are of models that were trained on the other folds."""
    return any((table["fold"] >= 0).any() for table in tables)


def groups_of(tables: Sequence[pd.DataFrame]) -> Groups | None:
    """Return the group of each image; None, where each is one of its own, or no table knows it.

    Args:
        tables: predictions of the same images in the same order.
    """
    for table in tables:
        group = table["group"].to_numpy(dtype=np.int64)
        if len(group) and group.min() >= 0:
            return group if len(np.unique(group)) < len(group) else None
    return None


def same_images(what: str, tables: Sequence[pd.DataFrame]) -> None:
    """Check that predictions are of the same images, in the same order.

    Raises:
        UserError: where they are not.
    """
    for table in tables[1:]:
        if not table[["key", "label"]].equals(tables[0][["key", "label"]]):
            raise UserError(
                f"{what}: its seeds were tested on different images; remove its runs: they are "
                "made again"
            )


def _over_seeds(
    groups: Mapping[tuple[str, ...], Sequence[pd.DataFrame]],
) -> Iterable[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Yield each group's key with seeds, n, accuracy, low, high and the interval's name."""
    for key, tables in groups.items():
        dataset, learner, *variants = key
        same_images(f"{dataset}/{'/'.join(variants)}/{learner}", tables)
        correct = _correct(tables)
        found = accuracy_interval(
            correct, crossfitted=crossfitted(tables), groups=groups_of(tables)
        )
        yield key, (*correct.shape, *found)


def _write(path: Path, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    table = pd.DataFrame(rows, columns=list(columns))
    whole = [name for name in _WHOLE if name in table]
    table = table.astype(dict.fromkeys(whole, "Int64"))  # also where some are missing
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


_WHOLE = ("epochs", "tested_epoch", "val_n", "image_size", "parameters", "multiply_adds")
