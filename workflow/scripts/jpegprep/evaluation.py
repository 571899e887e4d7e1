"""Evaluation: the predictions of a study's runs become accuracies with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.errors import UserError
from jpegprep.files import replacing, replacing_all
from jpegprep.layout import Run
from jpegprep.runs import read_predictions, read_run
from jpegprep.stats import accuracy_interval
from jpegprep.variants import ratio_of_variant

RUN_COLUMNS = [
    *("dataset", "variant", "ratio", "learner", "seed", "epochs", "best_epoch", "val_accuracy"),
    *("n", "correct", "accuracy", "low", "high", "seconds", "device", "run"),
    *("architecture", "image_size", "parameters", "multiply_adds"),
]
ACCURACY_COLUMNS = [
    *("dataset", "learner", "variant", "ratio", "seeds", "n", "accuracy", "low", "high"),
    "interval",
]
TRANSFER_COLUMNS = ["dataset", "learner", "variant", "test_variant", *ACCURACY_COLUMNS[4:]]


def evaluate(
    runs: Sequence[Run],
    predictions: Sequence[str | Path],
    records: Sequence[str | Path],
    runs_table: str | Path,
    accuracy_table: str | Path,
) -> None:
    """Write one row a run, and one row a (data set, learner, variant) over its seeds.

    Args:
        runs: the runs of the study.
        predictions: their predictions.parquet, in the same order.
        records: their run.json, likewise.
        runs_table: the CSV of runs: who it is, what it reached on validation and on test (with a
            95 % interval), what it cost, where its record lies, and how large its network is (at
            the image size; empty where that is not known).
        accuracy_table: the CSV of accuracies over seeds, each with n and a 95 % interval. Variants
            with noise have no ratio.

    Raises:
        UserError: where the seeds of one comparison were tested on different images.
    """
    rows: list[tuple[Any, ...]] = []
    groups: dict[tuple[str, ...], list[pd.DataFrame]] = {}
    for run, prediction, record in zip(runs, predictions, records, strict=True):
        table = read_predictions(prediction)
        correct = (table["label"] == table["predicted"]).to_numpy()
        accuracy, low, high, _ = accuracy_interval(correct[np.newaxis])
        facts = read_run(record)
        recipe, network = facts["recipe"], facts.get("model", {})
        ratio = ratio_of_variant(run.variant)
        rows.append(
            (
                *(run.dataset, run.variant, ratio, run.learner, run.seed),
                *(recipe.get("epochs"), facts["best_epoch"], facts["val_accuracy"]),
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


def evaluate_transfers(
    transfers: Sequence[tuple[Run, str]], predictions: Sequence[str | Path], target: str | Path
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
    for (run, tested), prediction in zip(transfers, predictions, strict=True):
        key = (run.dataset, run.learner, run.variant, tested)
        groups.setdefault(key, []).append(read_predictions(prediction))
    with replacing(target) as part:
        _write(part, TRANSFER_COLUMNS, [(*key, *facts) for key, facts in _over_seeds(groups)])


def _over_seeds(
    groups: Mapping[tuple[str, ...], Sequence[pd.DataFrame]],
) -> Iterable[tuple[tuple[str, ...], tuple[Any, ...]]]:
    """Yield each group's key with seeds, n, accuracy, low, high and the interval's name."""
    for key, tables in groups.items():
        for table in tables[1:]:
            if not table[["key", "label"]].equals(tables[0][["key", "label"]]):
                dataset, learner, *variants = key
                raise UserError(
                    f"{dataset}/{'/'.join(variants)}/{learner}: its seeds were tested on different "
                    "images; remove its runs: they are made again"
                )
        correct = np.stack([(t["label"] == t["predicted"]).to_numpy() for t in tables])
        yield key, (*correct.shape, *accuracy_interval(correct))


def _write(path: Path, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    table = pd.DataFrame(rows, columns=list(columns))
    whole = [name for name in _WHOLE if name in table]
    table = table.astype(dict.fromkeys(whole, "Int64"))  # also where some are missing
    table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")


_WHOLE = ("epochs", "best_epoch", "image_size", "parameters", "multiply_adds")
