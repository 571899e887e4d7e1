"""How well a probe, which costs minutes, predicts what fine-tuning finds."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep.common.table_files import write_table
from jpegprep.evaluation.decision import against_original, decide, in_points


def probe_agreement(
    differences: str | Path, probes: Sequence[str], margin: float, *targets: str | Path
) -> None:
    """Write what probes and fine-tuned learners say of the same data set, side by side.

    Args:
        differences: the table of `evaluation.compare`.
        probes: the learners that are probes.
        margin: the loss of accuracy that is accepted, a fraction.
        targets: files to write, .csv, .md or .html: a row a (data set, probe, other learner) with
            at least three ratios in common; both are judged at these ratios. ``mean_gap`` is the
            mean absolute difference of their differences, ``inside`` how many of the probe's
            estimates lie in the other's interval.
    """
    table = against_original(differences)
    rows = []
    for (dataset, learner), group in table.groupby(["dataset", "learner"], sort=False):
        if learner in probes:
            continue
        for probe in probes:
            both = table[(table["dataset"] == dataset) & (table["learner"] == probe)].merge(
                group, on="ratio", suffixes=("", "_fine")
            )
            if len(both) >= 3:
                rows.append(
                    {"dataset": dataset, "probe": probe, "learner": learner}
                    | _agreement(both, group, margin)
                )
    found = pd.DataFrame(rows, columns=_COLUMNS)
    shown = pd.DataFrame(
        {
            "data set": found["dataset"],
            "probe": found["probe"],
            "fine-tuned": found["learner"],
            "shown by the probe": found["probe_shown"].map(_ratio),
            "shown by fine-tuning": found["fine_shown"].map(_ratio),
            "estimated by the probe": found["probe_knee"].map(_ratio),
            "estimated by fine-tuning": found["fine_knee"].map(_ratio),
            "mean gap, points": (100 * found["mean_gap"]).map("{:.1f}".format),
            "half-width of fine-tuning, points": (100 * found["half_width"]).map("{:.1f}".format),
            "inside": [f"{i} of {n}" for i, n in found[["inside", "ratios"]].to_numpy(dtype=int)],
        }
    )
    note = (
        f"Shown: down to this ratio a loss of {in_points(margin)} or more is excluded, there "
        "and at all larger ratios; estimated: by the estimate alone, without its interval. Mean "
        "gap: of both differences to the original, over ratios. Inside: the probe's estimate lies "
        "in fine-tuning's 95 % interval. Where the half-width is larger than the margin, the test "
        "images are too few for either to show anything, and agreement by estimates is chance."
    )
    write_table(found, shown, note, targets)


_COLUMNS = ["dataset", "probe", "learner", "ratios", "probe_shown", "fine_shown", "probe_knee"]
_COLUMNS += ["fine_knee", "mean_gap", "half_width", "inside"]


def _agreement(both: pd.DataFrame, fine: pd.DataFrame, margin: float) -> dict[str, Any]:
    """Return the numbers of one row."""
    of_probe = decide(both, margin)
    of_fine = decide(fine[fine["ratio"].isin(both["ratio"])], margin)
    estimate = both["difference"].to_numpy(dtype=float)
    low, high, other = (
        both[f"{name}_fine"].to_numpy(dtype=float) for name in ("low", "high", "difference")
    )
    return {
        "ratios": len(both),
        "probe_shown": of_probe.shown,
        "fine_shown": of_fine.shown,
        "probe_knee": of_probe.candidate,
        "fine_knee": of_fine.candidate,
        "mean_gap": float(np.abs(estimate - other).mean()),
        "half_width": float((high - low).mean() / 2),
        "inside": int(((low <= estimate) & (estimate <= high)).sum()),
    }


def _ratio(ratio: float | None) -> str:
    return "none" if ratio is None or pd.isna(ratio) else f"{ratio:g}"
