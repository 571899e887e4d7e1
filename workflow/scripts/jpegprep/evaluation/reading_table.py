"""What compression is good for in reading: seconds an epoch, what limits them, and a verdict."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from jpegprep.common.errors import UserError
from jpegprep.common.records import read_history
from jpegprep.common.table_files import write_table

COLUMNS = [
    *("dataset", "bandwidth", "ratio", "images", "bytes"),
    *("measured", "measured_min", "measured_max", "predicted", "measured_over_predicted"),
    *("speed_up", "disk_seconds", "own_disk_seconds", "decode_seconds", "model_seconds"),
    *("bottleneck", "epoch_seconds", "verdict", "cold_share", "threads"),
]
_LEAST_BENEFIT = 0.02  # of an epoch
# Reading that takes so much longer than limit and decoder explain waits for the machine's own disk.
_OWN_DISK = 1.1


def reading_table(
    measured: Mapping[str, str | Path],
    histories: Mapping[str, Sequence[str | Path]],
    learner: str,
    storage_ratio: float,
    *targets: str | Path,
) -> None:
    """Write how long reading an epoch takes at each ratio and bandwidth, and what that is good for.

    An epoch takes as long as its reading, as measured, or as the model, whichever is longer. It is
    shorter than the original's at the same bandwidth (or longer) where it is so by 2 %, in each of
    the repeats; elsewhere there is no benefit.

    Args:
        measured: of each data set the CSV of `reading.measure`.
        histories: of each the history.csv of the learner's runs.
        learner: whose training the reading is compared with.
        storage_ratio: what people read of beside the original and the smallest ratio.
        targets: files to write: .csv has a row a (data set, bandwidth, ratio), the bandwidth in
            MB/s, empty where only the machine's own disk limits; .md and .html have a row a
            (data set, bandwidth). disk_seconds are bytes / bandwidth, own_disk_seconds what was
            measured without a limit. `predicted` knows nothing of the own disk: where measured is
            more, it is near own_disk_seconds.

    Raises:
        UserError: where no run of a data set tells how fast it trained.
    """
    tables = [
        _against_original(rows)
        for name in measured
        for rows in _by_bandwidth(measured[name], name, _images_per_second(name, histories[name]))
    ]
    ratios = sorted({storage_ratio, tables[0]["ratio"].min()}, reverse=True)
    shown = pd.DataFrame([_shown(rows, ratios) for rows in tables])
    table = pd.concat(tables, ignore_index=True)[COLUMNS]
    write_table(table, shown, _note(learner, int(table["threads"].max())), targets)


def _images_per_second(dataset: str, histories: Sequence[str | Path]) -> float:
    """Return the median over the epochs of all runs."""
    rates = pd.concat([read_history(path)["images_per_second"] for path in histories]).dropna()
    if rates.empty:
        raise UserError(
            f"{histories[0]}: no epoch has images_per_second, nor in other runs on {dataset}; "
            "name as reading.learner one that trains in epochs"
        )
    return float(rates.median())


def _by_bandwidth(path: str | Path, dataset: str, images_per_second: float) -> list[pd.DataFrame]:
    """Return of each bandwidth a row a ratio, with what limits it and the epoch's seconds."""
    table = pd.read_csv(path)
    table = table[table["cache"] == "cold"].assign(dataset=dataset)
    names = {"seconds": "measured", "seconds_min": "measured_min", "seconds_max": "measured_max"}
    table = table.rename(columns=names)
    table["measured_over_predicted"] = table["measured"] / table["predicted"]
    own_disk = table[table["bandwidth"].isna()].set_index("ratio")["measured"]
    table["own_disk_seconds"] = table["ratio"].map(own_disk)
    table["disk_seconds"] = table["bytes"] / (1e6 * table["bandwidth"])
    table["model_seconds"] = table["images"] / images_per_second
    for which in ("", "_min", "_max"):
        seconds = table[[f"measured{which}", "model_seconds"]]
        table[f"epoch_seconds{which}"] = seconds.max(axis=1)
    table["bottleneck"] = [_bottleneck(row) for _, row in table.iterrows()]
    return [rows for _, rows in table.groupby("bandwidth", sort=False, dropna=False)]


def _bottleneck(row: "pd.Series[Any]") -> str:
    if row["model_seconds"] >= row["measured"]:
        return "model"
    own_disk = row["measured_over_predicted"] > _OWN_DISK
    return "disk" if own_disk or row["disk_seconds"] > row["decode_seconds"] else "decoder"


def _against_original(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the speed-up and the verdict to the rows of one data set and bandwidth."""
    original = rows[rows["ratio"] == 1.0].iloc[0]
    verdicts = [_verdict(row, original) for _, row in rows.iterrows()]
    return rows.assign(speed_up=original["measured"] / rows["measured"], verdict=verdicts)


def _verdict(row: "pd.Series[Any]", original: "pd.Series[Any]") -> str:
    if row["ratio"] == 1.0:
        return ""
    change = row["epoch_seconds"] / original["epoch_seconds"] - 1
    if change <= -_LEAST_BENEFIT and row["epoch_seconds_max"] < original["epoch_seconds_min"]:
        return f"{-100 * change:.0f} % shorter"
    if change >= _LEAST_BENEFIT and row["epoch_seconds_min"] > original["epoch_seconds_max"]:
        return f"{100 * change:.0f} % longer"
    return "no benefit"


def _shown(rows: pd.DataFrame, ratios: Sequence[float]) -> dict[str, str]:
    """Return a row as people read it, of the rows of one data set and bandwidth."""
    at = {row["ratio"]: row for _, row in rows.iterrows()}
    original = at[1.0]
    bandwidth = original["bandwidth"]
    return {
        "data set": original["dataset"],
        "disk, MB/s": "no limit" if pd.isna(bandwidth) else f"{bandwidth:g}",
        "original, s": _seconds(original["measured"]),
        **{f"at {ratio}, s": _seconds(at[ratio]["measured"]) for ratio in ratios},
        "model, s": _seconds(original["model_seconds"]),
        "bottleneck": original["bottleneck"],
        **{f"bottleneck at {ratio}": at[ratio]["bottleneck"] for ratio in ratios},
        **{f"epoch at {ratio}": at[ratio]["verdict"] for ratio in ratios},
    }


def _seconds(value: Any) -> str:
    return f"{value:,.1f}" if value >= 10 else f"{value:.2f}"


def _note(learner: str, threads: int) -> str:
    return (
        "Seconds to read and decode the training images once, measured with "
        f"{threads} {'thread' if threads == 1 else 'threads'} behind a limit to the bandwidth of a "
        "disk (no limit: this machine's own). The limit is in the process that "
        "reads; a disk that is slower stays so. "
        f"Model: the training images over the median images a second of {learner}'s runs, which "
        "had decoded images in memory where these fitted, and decoded them in that time where not. "
        "An epoch takes as long as the longer of the two, on which the bottleneck depends; no "
        "benefit: less than 2 % shorter than with the original, or not in each repeat."
    )
