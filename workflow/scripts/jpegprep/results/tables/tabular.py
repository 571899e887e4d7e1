"""Tabular classifiers on features of the JPEG image, beside the deep network (paper, abstract)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from jpegprep.common.table_files import INTERVALS, accuracy_with_interval, write_table
from jpegprep.evaluation.decision import PAIRED_BRIEF, pairs_of, points, seeds_of_both


def table5(
    accuracy: str | Path,
    differences: str | Path,
    controls: str | Path,
    what: Mapping[str, str],
    features: Sequence[str],
    *targets: str | Path,
) -> None:
    """Write the accuracy of tabular classifiers and of the deep network at each ratio.

    Args:
        accuracy: the table of `evaluation.evaluate`.
        differences: the table of `evaluation.compare`.
        controls: the table of `evaluation.tabular_controls`.
        what: ``learner``, the tabular one, and ``deep``, the network.
        features: the kinds of features, for the note.
        targets: files to write, .csv, .md or .html: a row a (data set, ratio) at which both ran;
            the difference is tabular less deep, over the seeds that both have. Beside it stand
            the same trees on dequantized and on undequantized coefficients, and what the controls
            find.
    """
    table = pd.read_csv(accuracy).dropna(subset="ratio")
    sides = {}
    for side, learner in (("tabular", what["learner"]), ("deep", what["deep"])):
        names = {name: f"{side}_{name}" for name in ("accuracy", "low", "high", "seeds")}
        sides[side] = table[table["learner"] == learner].rename(columns=names)
    keys = ["dataset", "ratio", "variant", "n"]
    columns = [f"{side}_{name}" for side in sides for name in ("accuracy", "low", "high", "seeds")]
    both = sides["tabular"].merge(sides["deep"], on=keys, validate="one_to_one")
    both = both[[*keys, *columns]]
    pairs = pairs_of(differences)
    unknown = (float("nan"),) * 3  # of two sides without a seed in common
    both[["difference", "low", "high"]] = np.array(
        [
            pairs.get((dataset, what["learner"], variant, what["deep"], variant), unknown)
            for dataset, variant in zip(both["dataset"], both["variant"], strict=True)
        ]
    ).reshape(-1, 3)
    beside = pd.read_csv(controls)
    for side in _TREES:
        beside[f"{side}_seeds"] = beside["seeds"]
    of_trees = [
        f"{side}_{name}" for side in _TREES for name in ("accuracy", "low", "high", "seeds")
    ]
    of_trees += ["units", "units_low", "units_high", "finding"]
    beside = beside[["dataset", "ratio", "n", *of_trees]]
    both = both.merge(beside, on=["dataset", "ratio", "n"], validate="one_to_one")
    units = {"units": "difference", "units_low": "low", "units_high": "high"}
    headline = f"{what['learner']}{', dequantized' if 'dct' in features else ''} (headline)"
    shown = pd.DataFrame(
        {
            "data set": both["dataset"],
            "ratio": both["ratio"],
            headline: accuracy_with_interval(both, "tabular"),
            what["deep"]: accuracy_with_interval(both, "deep"),
            "difference, points": points(both),
            **{f"extra trees, {side}": accuracy_with_interval(both, side) for side in _TREES},
            "by units, points": points(both[list(units)].rename(columns=units)),
            "controls find": both["finding"],
            "test images": both["n"],
            "seeds": seeds_of_both(both["tabular_seeds"], both["deep_seeds"]),
        }
    )
    note = (
        f"Features of {what['learner']}: {' and '.join(features)}; dct: the coefficients of the "
        "JPEG file, dequantized by its own tables and upright: the headline. Difference: tabular "
        "less deep. Extra trees: 200 on the coefficients alone, dequantized, and undequantized "
        "as the file stores them; by units: the latter less the former, an artefact "
        "of files that were saved at several qualities. What the controls find is explained below "
        f"table5_controls. {INTERVALS} {PAIRED_BRIEF}"
    )
    write_table(both, shown, note, targets)


_TREES = ("dequantized", "undequantized")
