"""What the work took: time, memory and bytes of every rule, and the hours on each device.

From the benchmark file that Snakemake writes for each job that succeeded, and from the runs'
records. It is of everything that was made in this folder, by whichever study.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from jpegprep.answers.plan import read_throughput, recorded_rate, run_seconds
from jpegprep.common.errors import UserError
from jpegprep.common.records import read_run
from jpegprep.common.table_files import write_table
from jpegprep.results.figures.drawing import COLOURS, PAGE, STYLE, save

_COLUMNS = ("s", "max_rss", "io_in", "io_out", "cpu_time")


def read_benchmarks(folder: str | Path) -> pd.DataFrame:
    """Read the benchmark files of all jobs.

    Args:
        folder: results/benchmarks: a folder a rule, below it a TSV a job.

    Returns:
        One row a job: ``rule``, ``job`` (the file's path below the rule's folder) and Snakemake's
        ``s`` (seconds), ``max_rss`` (MiB), ``io_in`` and ``io_out`` (MiB read and written),
        ``cpu_time`` (seconds); NaN where a job was too short to be measured.

    Raises:
        UserError: where there is none, or one is no benchmark file.
    """
    rows = []
    for path in sorted(Path(folder).rglob("*.tsv")):
        if path.parent.name == "costs":
            continue  # of this sum itself
        try:
            table = pd.read_csv(path, sep="\t", na_values="-", usecols=list(_COLUMNS))
        except ValueError:
            raise UserError(f"{path} is no benchmark file; remove it") from None
        rule, *job = path.relative_to(folder).with_suffix("").parts
        rows.append({"rule": rule, "job": "/".join(job), **table.iloc[-1].to_dict()})
    if not rows:
        raise UserError(f"{folder} has no benchmark file; run a study first")
    return pd.DataFrame(rows)


def costs_by_rule(jobs: pd.DataFrame) -> pd.DataFrame:
    """Sum up the jobs of each rule, the longest first.

    Args:
        jobs: as `read_benchmarks` returns them.

    Returns:
        One row a rule: jobs; seconds, median_seconds and max_seconds; cpu_seconds; max_rss_mib of
        its largest job; read_mib and written_mib.
    """
    groups = jobs.groupby("rule", sort=False)
    table = pd.DataFrame(
        {
            "jobs": groups.size(),
            "seconds": groups["s"].sum(),
            "median_seconds": groups["s"].median(),
            "max_seconds": groups["s"].max(),
            "cpu_seconds": groups["cpu_time"].sum(),
            "max_rss_mib": groups["max_rss"].max(),
            "read_mib": groups["io_in"].sum(),
            "written_mib": groups["io_out"].sum(),
        }
    )
    return table.sort_values("seconds", ascending=False, kind="stable").reset_index()


def device_hours(
    runs: str | Path, datasets: Mapping[str, Mapping[str, Any]], throughput: str | Path
) -> pd.DataFrame:
    """Sum up what the runs took on each device, beside what a plan would have said.

    Args:
        runs: results/runs.
        datasets: the registry.
        throughput: config/throughput.csv.

    Returns:
        One row a (learner, device): runs, ``hours`` and ``planned_hours``: the sum of
        `plan.run_seconds` by the recorded speed of the network on a GPU; NaN for what has none.
    """
    speeds = read_throughput(throughput)
    rows = []
    for path in sorted(Path(runs).glob("*/*/*/seed*/run.json")):
        record = read_run(path)
        recipe, dataset = record.get("recipe", {}), datasets.get(record["dataset"])
        on_gpu = record["device"]["kind"] == "gpu"
        rate = recorded_rate(speeds, recipe) if on_gpu else None
        gpus = recipe.get("gpus", 1) if on_gpu else 1
        planned = (
            run_seconds(dataset, recipe["epochs"], rate.images_per_second)
            if (rate and dataset and "epochs" in recipe)
            else float("nan")
        )
        rows.append(
            {
                "learner": record["learner"],
                "device": record["device"]["name"],
                "runs": 1,
                "hours": sum(record["seconds"].values()) * gpus / 3600,
                "planned_hours": planned / 3600,
            }
        )
    table = pd.DataFrame(rows, columns=["learner", "device", "runs", "hours", "planned_hours"])
    groups = table.groupby(["learner", "device"], sort=False)
    return groups.agg(
        runs=("runs", "sum"),
        hours=("hours", "sum"),
        planned_hours=("planned_hours", lambda hours: hours.sum(skipna=False)),
    ).reset_index()


def write_costs(
    benchmarks: str | Path,
    runs: str | Path,
    datasets: Mapping[str, Mapping[str, Any]],
    throughput: str | Path,
    rules: Sequence[str | Path],
    devices: Sequence[str | Path],
    figures: Sequence[str | Path],
) -> str:
    """Write both tables and the figure; return the first as text for a terminal.

    Args:
        benchmarks: as of `read_benchmarks`.
        runs: as of `device_hours`.
        datasets: likewise.
        throughput: likewise.
        rules: files of the table by rule, .csv, .md or .html.
        devices: files of the table by device.
        figures: files of the figure, .svg or .png.
    """
    table = costs_by_rule(read_benchmarks(benchmarks))
    shown = pd.DataFrame(
        {
            "rule": table["rule"],
            "jobs": table["jobs"].map("{:,}".format),
            "hours": (table["seconds"] / 3600).map("{:.3f}".format),
            "share": (table["seconds"] / table["seconds"].sum()).map("{:.1%}".format),
            "median s": table["median_seconds"].map("{:.1f}".format),
            "longest s": table["max_seconds"].map("{:.1f}".format),
            "cores busy": (table["cpu_seconds"] / table["seconds"]).map("{:.1f}".format),
            "peak MiB": table["max_rss_mib"].map("{:,.0f}".format),
            "read MiB": table["read_mib"].map("{:,.0f}".format),
            "written MiB": table["written_mib"].map("{:,.0f}".format),
        }
    ).replace("nan", "")
    note = (
        "Of all jobs in this folder that succeeded, each as it was last made. Hours: their sum, "
        "with whatever ran beside them. Read and written: from and to disks; what the page cache "
        "has is not counted."
    )
    write_table(table, shown, note, rules)
    hours = device_hours(runs, datasets, throughput)
    hours_shown = pd.DataFrame(
        {
            "learner": hours["learner"],
            "device": hours["device"],
            "runs": hours["runs"].map("{:,}".format),
            "hours": hours["hours"].map("{:.3f}".format),
            "planned": hours["planned_hours"].map("{:.3f}".format),
        }
    ).replace("nan", "")
    note = (
        "Hours of the runs that are there. Planned: what `snakemake plan` says of them by the "
        "speeds in config/throughput.csv, which are of GPUs; empty where none is recorded."
    )
    write_table(hours, hours_shown, note, devices)
    _draw(table, figures)
    return shown.to_markdown(index=False, disable_numparse=True)


def _draw(table: pd.DataFrame, targets: Sequence[str | Path]) -> None:
    """Draw each rule's time and its largest job's memory as dots, the longest first."""
    with plt.rc_context(STYLE):
        figure, axes = plt.subplots(
            1, 2, sharey=True, figsize=(PAGE, 1 + 0.17 * len(table)), layout="constrained"
        )
        panels = (("seconds", "seconds, all jobs"), ("max_rss_mib", "MiB, largest job"))
        for axis, colour, (column, label) in zip(axes, COLOURS, panels, strict=False):
            axis.plot(table[column], table["rule"], "o", color=colour, markersize=4)
            axis.set_xscale("log")
            axis.set_xlabel(label)
            axis.grid(color="0.9", linewidth=0.5)
        axes[0].invert_yaxis()
        sns.despine(figure)
        save(figure, targets)
        plt.close(figure)
