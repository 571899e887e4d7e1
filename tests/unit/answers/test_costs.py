"""What the work took: sums of benchmark files that Snakemake wrote, and of runs' records."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from jpegprep.answers.costs import costs_by_rule, device_hours, read_benchmarks, write_costs
from jpegprep.common.errors import UserError
from jpegprep.common.records import write_record

HEADER = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
LINES = {
    "train/a/seed0": "60.0\t0:01:00\t900\t1\t1\t1\t10\t5\t150\t90",
    "train/a/seed1": "40.0\t0:00:40\t1100\t1\t1\t1\t10\t7\t150\t60",
    "treat/q50": "0.2\t0:00:00\t-\t-\t-\t-\t-\t-\t0\t-",
    "treat/q30": "1.8\t0:00:01\t50\t1\t1\t1\t2\t1\t100\t1.8",
    "costs/all": "99\t0:01:39\t1\t1\t1\t1\t1\t1\t1\t1",
}
DATASET = {"images": 1000, "split": {"val": 0.2, "test": 0.2}}


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    """Return a folder of benchmark files, as Snakemake writes them."""
    folder = tmp_path / "benchmarks"
    for name, line in LINES.items():
        path = folder / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEADER}{line}\n", encoding="utf-8")
    return folder


@pytest.fixture
def throughput(tmp_path: Path) -> Path:
    """Return recorded speeds: of b0 at 224 px."""
    path = tmp_path / "throughput.csv"
    path.write_text(
        "architecture,image_size,batch_size,device,precision,images_per_second,software,date,source\n"
        "b0,224,0,Some GPU,16-mixed,100,PyTorch,2026,a test\n",
        encoding="utf-8",
    )
    return path


def put_run(folder: Path, seed: int, kind: str, device: str, **recipe: Any) -> None:
    """Write the record of a run that took 36 seconds."""
    path = folder / f"set/original/b0/seed{seed}/run.json"
    path.parent.mkdir(parents=True)
    record = {
        **{"dataset": "set", "learner": "b0", "recipe": recipe},
        **{"device": {"kind": kind, "name": device}, "seconds": {"fit": 30.0, "test": 6.0}},
    }
    write_record(path, record)


def test_jobs_are_summed_up_by_rule(benchmarks: Path) -> None:
    """The longest rule first; a job too short to be measured counts with its seconds alone."""
    table = costs_by_rule(read_benchmarks(benchmarks)).set_index("rule")
    assert list(table.index) == ["train", "treat"]  # and not the sum itself
    train = table.loc["train"]
    assert train[["jobs", "seconds", "median_seconds", "max_seconds"]].tolist() == [2, 100, 50, 60]
    assert train[["cpu_seconds", "max_rss_mib", "written_mib"]].tolist() == [150, 1100, 12]
    treat = table.loc["treat"]
    assert treat[["jobs", "seconds", "max_rss_mib", "read_mib"]].tolist() == [2, 2, 50, 2]


def test_hours_on_a_gpu_stand_beside_the_plans(tmp_path: Path, throughput: Path) -> None:
    """30 s to start, 5 epochs of 600 + 200/3 images and 200/3 at the end, 100 images a second."""
    runs = tmp_path / "runs"
    put_run(runs, 0, "gpu", "Some GPU", architecture="b0", image_size=224, batch_size=8, epochs=5)
    put_run(runs, 1, "gpu", "Some GPU", architecture="b0", image_size=224, batch_size=8, epochs=5)
    put_run(runs, 2, "cpu", "Some CPU", architecture="b0", image_size=224, batch_size=8, epochs=5)
    table = device_hours(runs, {"set": DATASET}, throughput).set_index("device")
    gpu = table.loc["Some GPU"]
    assert gpu["runs"] == 2
    assert gpu["hours"] == pytest.approx(72 / 3600)
    assert gpu["planned_hours"] == pytest.approx(2 * (30 + 34) / 3600)
    assert table.loc["Some CPU", "hours"] == pytest.approx(36 / 3600)
    assert pd.isna(table.loc["Some CPU", "planned_hours"])


def test_a_run_on_two_gpus_takes_twice_its_hours(tmp_path: Path, throughput: Path) -> None:
    """GPU hours are of each GPU."""
    put_run(
        tmp_path,
        0,
        "gpu",
        "Some GPU",
        architecture="b0",
        image_size=224,
        batch_size=8,
        epochs=5,
        gpus=2,
    )
    hours = device_hours(tmp_path, {"set": DATASET}, throughput)["hours"]
    assert hours.tolist() == pytest.approx([72 / 3600])


def test_tables_and_figure_are_written(tmp_path: Path, benchmarks: Path, throughput: Path) -> None:
    """People read hours and shares."""
    rules = [tmp_path / f"rules.{kind}" for kind in ("csv", "md", "html")]
    devices = [tmp_path / "devices.md"]
    figures = [tmp_path / f"costs.{kind}" for kind in ("svg", "png")]
    text = write_costs(benchmarks, tmp_path / "none", {}, throughput, rules, devices, figures)
    assert "| train  | 2      | 0.028   | 98.0%   |" in text
    assert all(path.stat().st_size > 100 for path in (*rules, *devices, *figures))
    assert "nan" not in rules[1].read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "no,benchmark\n1,2\n"])
def test_what_is_no_benchmark_file_is_named(benchmarks: Path, content: str) -> None:
    """Cut off, or something else."""
    path = benchmarks / "train" / "odd.tsv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=f"{path} is no benchmark file; remove it"):
        read_benchmarks(benchmarks)


def test_a_fresh_folder_has_cost_nothing(tmp_path: Path) -> None:
    """Before any study."""
    with pytest.raises(UserError, match="run a study first"):
        read_benchmarks(tmp_path / "benchmarks")
