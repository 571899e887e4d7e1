"""The proposal: at which ratio a network is worth fine-tuning, by what the probe found."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.files import write_json
from jpegprep.evaluation.decision import against_original, decide
from jpegprep.evaluation.losses import lost_classes, read_ratios


def propose(
    differences: str | Path,
    sizes: str | Path,
    predictions: Mapping[float, Sequence[str | Path]],
    split: str | Path,
    probe: str,
    margin: float,
    class_margin: float,
    least_saving: float,
    target: str | Path,
) -> None:
    """Write which ratio is worth confirming, by what the probe found.

    Of the ratios that save what is worth it: the smallest that is shown to lose less than the
    margin; where none is, the smallest whose estimate does; where none does, the largest, unless it
    is shown to lose the margin. None, where no ratio saves so much, or where the largest that does
    is shown to lose. A ratio at which a class is shown to lose its margin, and all smaller ones,
    are as if they had not been tried.

    Args:
        differences: the table of `evaluation.compare`.
        sizes: the table of `sizes.measure`.
        predictions: by ratio the predictions.parquet of the probe's seeds.
        split: of the images, with the names of their classes.
        probe: the learner that is the probe.
        margin: the loss of accuracy that is accepted, a fraction.
        class_margin: likewise that of a class.
        least_saving: the share of bytes below which it is not worth it.
        target: the JSON to write: ``ratio`` (or null), ``shown`` (whether it is), ``saved``;
            ``images_needed`` for the ``next`` smaller ratio; ``lost``, the
            largest ratio at which a class is shown to lose its margin, and ``lost_classes``.
    """
    table = against_original(differences)
    lost = lost_classes(read_ratios(predictions, split), class_margin)
    relative = pd.read_csv(sizes).set_index("ratio")["relative_size"]
    chosen = choose(table[table["learner"] == probe], relative, lost, margin, least_saving)
    write_json(target, chosen)


def choose(
    table: pd.DataFrame,
    relative: "pd.Series[float]",
    lost: Mapping[float, Sequence[str]],
    margin: float,
    least_saving: float,
) -> dict[str, Any]:
    """Return what `propose` writes.

    Args:
        table: the probe's rows of `evaluation.compare`, against the original.
        relative: the size of each ratio's images over the original's, by ratio.
        lost: of each ratio the classes that are shown to lose their margin.
        margin: as of `propose`.
        least_saving: likewise.
    """
    first_lost = max((ratio for ratio, names in lost.items() if names), default=0.0)
    table = table[table["ratio"] > first_lost]
    found = decide(table, margin)

    def saved(ratio: float) -> float:
        return 1 - float(relative.loc[ratio])

    worth = table[table["ratio"].map(saved) >= least_saving]
    largest = worth.sort_values("ratio").tail(1)
    not_lost = largest.loc[largest["high"] > -margin, "ratio"].tolist()
    choices = [r for r in (found.shown, found.candidate) if r in worth["ratio"].tolist()]
    ratio = next(iter([*choices, *not_lost]), None)
    return {
        "ratio": ratio,
        "shown": ratio is not None and ratio == found.shown,
        "saved": None if ratio is None else saved(ratio),
        "next": found.blocked,
        "images_needed": found.images,
        "lost": first_lost or None,
        "lost_classes": list(lost.get(first_lost, [])),
    }
