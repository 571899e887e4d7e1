"""What pairs of fine-tuned networks say of a store, and whether a larger one is to be tried."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.common.files import write_json
from jpegprep.common.layout import ORIGINAL
from jpegprep.common.records import read_run
from jpegprep.evaluation.accuracy import groups_of, same_images
from jpegprep.evaluation.stats import Correct, Difference, pairs_difference
from jpegprep.images.variants import store_of
from jpegprep.learners.runs import read_predictions


def judge(
    variant: str,
    sizes: str | Path,
    least_saving: float,
    margin: float,
    original: Sequence[str | Path],
    again: Sequence[str | Path],
    compressed: Sequence[str | Path],
    minutes: float,
    started: float,
    target: str | Path,
) -> str:
    """Compare the networks of each pair, and those of the originals with one another.

    Where they are shown to lose the margin, the next store up the ladder is to be tried that saves
    what is worth it: no correction is needed, since the probe has excluded the loss at each.

    Args:
        variant: on which the compressed side was trained and tested.
        sizes: the table of `sizes.measure_ladder`.
        least_saving: the share of bytes below which a store is not worth it.
        margin: the loss of accuracy that is accepted, a fraction.
        original: run.json of the networks of the originals, one a pair.
        again: likewise, trained once more with other seeds.
        compressed: likewise of the variant's.
        minutes: the time budget.
        started: when the work began, in seconds since 1970.
        target: the JSON to write: ``variant``, ``loses``, ``next`` (or null), ``out_of_time`` (a
            next one would be tried, were there time), ``learner``, ``image_size``, ``epochs``,
            ``train_images``; ``difference`` and, of the originals with one another, ``same`` (see
            `facts_of_pairs`); ``original`` and ``compressed`` (``accuracy``, ``low``, ``high``);
            ``runs``.

    Returns:
        A line about what they said.

    Raises:
        UserError: where the two sides of a pair were tested on different images.
    """
    sides = {"original": original, "again": again, "compressed": compressed}
    answers = {side: [_answers(record) for record in runs] for side, runs in sides.items()}
    for k, of_pair in enumerate(zip(*answers.values(), strict=True)):
        same_images(f"pair {k} of the fine-tuned networks", list(of_pair))
    correct = {
        side: [(table["label"] == table["predicted"]).to_numpy() for table in tables]
        for side, tables in answers.items()
    }
    groups = sum(map(_groups, answers["original"]))
    record = read_run(original[0])
    shared = record["train"]["n"] / record["train"]["of"]
    found = pairs_difference(correct["compressed"], correct["original"], shared, groups=groups)
    same = pairs_difference(correct["again"], correct["original"], shared, groups=groups)
    relative = pd.read_csv(sizes).set_index("variant")["relative_size"]
    larger = next_up(variant, relative, least_saving) if found.high <= -margin else None
    late = larger is not None and time.time() - started > 60 * minutes
    write_json(
        target,
        {
            "variant": variant,
            "loses": found.high <= -margin,
            "next": None if late else larger,
            "out_of_time": late,
            "learner": record["learner"],
            "image_size": record["recipe"]["image_size"],
            "epochs": record["recipe"]["epochs"],
            "train_images": record["train"]["n"],
            "original": _accuracy(correct["original"], shared, groups),
            "compressed": _accuracy(correct["compressed"], shared, groups),
            "difference": facts_of_pairs(found),
            "same": facts_of_pairs(same),
            "runs": {side: [str(run) for run in runs] for side, runs in sides.items()},
        },
    )
    points = [f"{100 * x:+.1f}" for x in (found.difference, found.low, found.high)]
    return f"pairs of {store_of(variant)}: {points[0]} points [{points[1]}, {points[2]}]"


def _answers(record: str | Path) -> pd.DataFrame:
    """Return the predictions of a run, by its run.json."""
    return read_predictions(Path(record).with_name("predictions.parquet"))


def _groups(table: pd.DataFrame) -> int:
    """Return how many groups the images of a test are."""
    found = groups_of([table])
    return len(table) if found is None else len(np.unique(found))


def _accuracy(correct: Sequence[Correct], shared: float, groups: int) -> dict[str, float]:
    """Return ``accuracy``, ``low`` and ``high``."""
    wrong = [np.zeros_like(right) for right in correct]
    found = pairs_difference(correct, wrong, shared, groups=groups)
    return {"accuracy": found.difference, "low": max(0.0, found.low), "high": found.high}


def facts_of_pairs(found: Difference) -> dict[str, Any]:
    """Return ``pairs``, ``n``, ``difference``, ``low``, ``high`` and ``p`` of a comparison."""
    facts = {"pairs": found.spread.seeds, "n": found.spread.images}
    return facts | {name: getattr(found, name) for name in ("difference", "low", "high", "p")}


def next_up(variant: Any, relative: "pd.Series[float]", least_saving: float) -> Any:
    """Return the next variant up the ladder that saves so much, or None.

    Args:
        variant: that was tried.
        relative: the size of each one's images over the original's, from most bytes to fewest.
        least_saving: the share of bytes.
    """
    larger = relative.iloc[: relative.index.get_loc(variant)].drop(ORIGINAL, errors="ignore")
    worth = larger[1 - larger >= least_saving]
    return None if worth.empty else worth.index[-1]
