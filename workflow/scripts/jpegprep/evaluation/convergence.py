"""How fast training converges: Figure 3 in numbers, its claim tested (paper, section III-B)."""

from collections.abc import Mapping, Sequence
from math import isnan, nan
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import pandas as pd

from jpegprep.common.parquet import read_parquet
from jpegprep.common.records import read_history
from jpegprep.common.table_files import accuracy_with_interval, write_table
from jpegprep.evaluation.accuracy import bounded_of_shares
from jpegprep.evaluation.rates import (
    FEWER,
    SAME_RATE,
    Rate,
    Verdict,
    approach_rate,
    epochs_to,
    fewer_epochs,
    mean_epochs,
    same_rate,
)

_SHARE = 0.95
_PLACE = ["dataset", "learner", "ratio"]


def convergence(
    runs: Sequence[Mapping[str, Any]],
    histories: Sequence[str | Path],
    splits: Mapping[str, str | Path],
    *targets: str | Path,
) -> None:
    """Write how fast each ratio converges, and what that says of the paper's claim.

    Two bars: the common one is 95 % of the originals' accuracy after the last epoch, the same for
    all ratios of a data set and learner; the own one is 95 % of the ratio's, which lies the lower
    the lower a ratio ends. Neither decides whether all plateaus are approached at the same rate:
    that is tested on the rates (`rates.same_rate`), and on the common bar that compression saves no
    epoch (`rates.fewer_epochs`), both against the original's runs of the same seeds.

    Args:
        runs: of each its dataset, learner, ratio and seed.
        histories: of each its history.csv.
        splits: by data set: which images are for validation, and the classes.
        targets: files to write, .csv, .md or .html: a row a data set, learner and ratio. Epochs to
            a bar are means over seeds, with 95 % intervals, and how many seeds ``reached`` it; a
            seed that did not counts as one epoch more than there are, the least that it can be.
            ``later`` is the difference of epochs to the common bar to the original's;
            ``rate_ratio`` that of rates over the original's.

    Raises:
        UserError: where a split or a history is damaged.
    """
    facts = {name: _validation(path) for name, path in splits.items()}
    groups: dict[tuple[str, str, float], dict[int, list[float]]] = {}
    for run, path in zip(runs, histories, strict=True):
        place = (run["dataset"], run["learner"], run["ratio"])
        groups.setdefault(place, {})[run["seed"]] = read_history(path)["val_accuracy"].tolist()
    rows = []
    for (dataset, learner, ratio), curves in groups.items():
        largest = max(of for name, by, of in groups if (name, by) == (dataset, learner))
        originals = groups[dataset, learner, largest]
        images, classes = facts[dataset]
        row = {**dict(zip(_PLACE, (dataset, learner, ratio), strict=True)), "n": images}
        rows.append(row | _of_ratio(curves, originals, images, 1 / classes, ratio == largest))
    table = pd.DataFrame(rows)
    finals = accuracy_with_interval(table, "final")
    shown = pd.DataFrame(
        {
            "data set": table["dataset"],
            "learner": table["learner"],
            "ratio": table["ratio"],
            "last epoch's accuracy": finals,
            "epochs to the common bar": _epochs(table, "common"),
            "later than the original, epochs": _interval(table, "later", "{:+.1f}"),
            "in no fewer epochs": table["no_fewer_epochs"],
            "epochs to its own bar": _epochs(table, "own"),
            "rate, per epoch": table["rate"].map("{:.2f}".format),
            "rate / original's": _interval(table, "rate_ratio", "{:.2f}"),
            "at the same rate": table["same_rate"],
            "epochs": table["epochs"],
            "validation images": table["n"],
            "seeds": table["seeds"],
        }
    )
    write_table(table, shown, _NOTE, targets)


_NOTE = (
    f"Epochs to a bar: the first whose validation accuracy is at least {_SHARE:.0%} of that of the "
    "last epoch: of the originals' (the common bar), or of the ratio's own, which a ratio that "
    "ends lower reaches the sooner. A seed that never reaches it counts as one epoch more than "
    "there are, the least that it can be; then ≥ and how many did. Rate: k of an exponential "
    "approach from chance to a plateau, A + (1/classes - A) exp(-k epoch), by least squares. Means "
    "over seeds (of rates the geometric mean), in brackets 95 % intervals over seeds (Student's; "
    "of one seed there is none), paired by seed where compared with the original. They speak of "
    "training anew, not of other validation images; the bars are taken as they are. The paper's "
    "claims: accuracy plateaus at the same rate, borne out where the interval of the ratio of "
    f"rates lies between {1 / SAME_RATE:g} and {SAME_RATE:g}, contradicted where it lies outside; "
    "and compression does not train in fewer epochs, borne out where the interval excludes that "
    f"epochs are saved, {FEWER:g} or more, contradicted where it excludes that fewer are. Else "
    "open. Each is wrong in about 2.5 % of cases at its margin, not corrected for the number of "
    "rows. The last epoch's accuracy has a 95 % interval of Wilson's over the validation images, "
    "each counted as one of its own, also where some belong together; of several seeds with random "
    "effects of seeds and images, as if all seeds were right on the same images, since their "
    "single answers are not kept."
)


def _validation(split: str | Path) -> tuple[int, int]:
    """Return how many validation images a split has, and how many classes."""
    table = read_parquet(split, ["split", "label"]).to_pandas()
    return int((table["split"] == "val").sum()), int(table["label"].nunique())


def _of_ratio(
    curves: Mapping[int, Sequence[float]],
    originals: Mapping[int, Sequence[float]],
    images: int,
    start: float,
    original: bool,
) -> dict[str, Any]:
    """Return the numbers of the curves of one ratio, beside the original's; both by seed."""
    epochs = max(map(len, curves.values()))
    row: dict[str, Any] = {"seeds": len(curves), "epochs": epochs}
    for which, place in (("first", 0), ("final", -1)):
        mean, low, high = bounded_of_shares([curve[place] for curve in curves.values()], images)
        row |= {f"{which}_accuracy": mean, f"{which}_low": low, f"{which}_high": high}
    for which, others in (("common", originals), ("own", curves)):
        bar = _SHARE * sum(curve[-1] for curve in others.values()) / len(others)
        found = [epochs_to(curve, bar) for curve in curves.values()]
        mean, low, high = mean_epochs(found)
        row |= {f"{which}_bar": bar, f"{which}_reached": sum(n <= epochs for n in found)}
        row |= {f"{which}_epochs": mean, f"{which}_low": low, f"{which}_high": high}
    rates = _rates(curves, start)
    row["rate"] = geometric_mean(rate.per_epoch for rate in rates.values())
    both = [] if original else [seed for seed in curves if seed in originals]
    later = slower = Verdict(nan, nan, nan, "")
    if both:
        bar, before = row["common_bar"], _rates(originals, start)
        later = fewer_epochs(
            [epochs_to(curves[seed], bar) for seed in both],
            [epochs_to(originals[seed], bar) for seed in both],
            epochs,
        )
        slower = same_rate([rates[seed] for seed in both], [before[seed] for seed in both])
    for name, verdict in (("later", later), ("rate_ratio", slower)):
        row |= {name: verdict.value, f"{name}_low": verdict.low, f"{name}_high": verdict.high}
    row |= {"no_fewer_epochs": later.says, "same_rate": slower.says}
    return row


def _rates(curves: Mapping[int, Sequence[float]], start: float) -> dict[int, Rate]:
    return {seed: approach_rate(curve, start) for seed, curve in curves.items()}


def _epochs(table: pd.DataFrame, which: str) -> list[str]:
    """Return ``3.4 [2.8, 4.0]`` for each row; ``≥ 4.6 … (3 of 5)`` where some seeds did not."""
    texts = _interval(table, f"{which}_epochs", "{:.1f}", which)
    rows = zip(texts, table[f"{which}_reached"], table["seeds"], table["epochs"], strict=True)
    found = []
    for text, reached, seeds, epochs in rows:
        if not reached:
            found.append(f"not in {epochs}")
        else:
            found.append(text if reached == seeds else f"≥ {text} ({reached} of {seeds})")
    return found


def _interval(table: pd.DataFrame, name: str, form: str, bounds: str | None = None) -> list[str]:
    """Return ``1.2 [0.8, 1.9]`` for each row of a column, as far as there is a value and bounds."""
    bounds = bounds or name
    columns = table[[name, f"{bounds}_low", f"{bounds}_high"]].to_numpy(dtype=float)
    found = []
    for value, low, high in columns:
        interval = "" if isnan(low) else f" [{form.format(low)}, {form.format(high)}]"
        found.append("" if isnan(value) else f"{form.format(value)}{interval}")
    return found
