"""Evaluation: the predictions of a study's runs become accuracies with intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.errors import UserError
from jpegprep.files import replacing_all
from jpegprep.layout import Run
from jpegprep.runs import read_predictions, read_run
from jpegprep.stats import accuracy_interval
from jpegprep.variants import ratio_of_variant

RUN_COLUMNS = [
    *("dataset", "variant", "ratio", "learner", "seed", "epochs", "best_epoch", "val_accuracy"),
    *("n", "correct", "accuracy", "low", "high", "seconds", "device", "run"),
]
ACCURACY_COLUMNS = [
    *("dataset", "learner", "variant", "ratio", "seeds", "n", "accuracy", "low", "high"),
    "interval",
]


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
            95 % interval), what it cost, and where its record lies.
        accuracy_table: the CSV of accuracies over seeds, each with n and a 95 % interval.

    Raises:
        UserError: where the seeds of one comparison were tested on different images.
    """
    rows: list[tuple[Any, ...]] = []
    groups: dict[tuple[str, str, str], list[pd.DataFrame]] = {}
    for run, prediction, record in zip(runs, predictions, records, strict=True):
        table = read_predictions(prediction)
        correct = (table["label"] == table["predicted"]).to_numpy()
        accuracy, low, high, _ = accuracy_interval(correct[np.newaxis])
        facts = read_run(record)
        ratio = ratio_of_variant(run.variant)
        rows.append(
            (
                *(run.dataset, run.variant, ratio, run.learner, run.seed),
                *(facts["recipe"]["epochs"], facts["best_epoch"], facts["val_accuracy"]),
                *(len(correct), int(correct.sum()), accuracy, low, high),
                *(sum(facts["seconds"].values()), facts["device"]["name"], str(record)),
            )
        )
        groups.setdefault((run.dataset, run.learner, run.variant), []).append(table)
    over_seeds: list[tuple[Any, ...]] = []
    for (dataset, learner, variant), tables in groups.items():
        for table in tables[1:]:
            if not table[["key", "label"]].equals(tables[0][["key", "label"]]):
                raise UserError(
                    f"{dataset}/{variant}/{learner}: its seeds were tested on different images; "
                    "remove its runs: they are made again"
                )
        correct = np.stack([(t["label"] == t["predicted"]).to_numpy() for t in tables])
        accuracy, low, high, interval = accuracy_interval(correct)
        over_seeds.append(
            (
                *(dataset, learner, variant, ratio_of_variant(variant)),
                *(*correct.shape, accuracy, low, high, interval),
            )
        )
    with replacing_all(runs_table, accuracy_table) as (runs_part, accuracy_part):
        for part, columns, values in (
            (runs_part, RUN_COLUMNS, rows),
            (accuracy_part, ACCURACY_COLUMNS, over_seeds),
        ):
            table = pd.DataFrame(values, columns=columns)
            table.to_csv(part, index=False, float_format="%.6g", lineterminator="\n")
