"""The plan: jobs as a dry run lists them; bytes and hours by arithmetic done by hand."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from jpegprep.answers import plan
from jpegprep.common.errors import UserError
from jpegprep.common.records import write_record
from jpegprep.study.config import load_study

DRY_RUN = """Building DAG of jobs...
Job stats:
job                     count
--------------------  -------
all                         1
fetch_weights               1
shard_originals             2
shard_variant              64
total                      68


[Tue Nov 24 15:00:00 2026]
localrule fetch_weights:
    output: resources/weights/b0.safetensors, resources/weights/b0.json
    log: results/logs/fetch_weights/b0.log
    wildcards: weights=b0
    resources: tmpdir=<TBD>

[Tue Nov 24 15:00:00 2026]
rule shard_variant:
    input: results/shards/dtd/original
    output: results/shards/dtd/jpeg-q10
"""
# 1,000 images: 600 train, 200 validate, 200 test.
DATASET = {
    "images": 1000,
    "split": {"val": 0.2, "test": 0.2},
    "archives": [{"name": "a.tar", "source": "url", "bytes": 50_000_000}],
}
RECIPE = {"architecture": "net", "image_size": 224, "batch_size": 64, "epochs": 10}
NOTHING = plan.ToDo({}, frozenset())


def test_jobs_are_counted_as_the_dry_run_counts_them() -> None:
    """The stats are read; the target is no job."""
    assert plan.read_jobs(DRY_RUN) == {
        "fetch_weights": 1,
        "shard_originals": 2,
        "shard_variant": 64,
    }


def test_a_study_that_is_done_has_no_jobs() -> None:
    """Where nothing is to be done there is no table."""
    assert plan.read_jobs("Building DAG of jobs...\nNothing to be done.\n") == {}


def test_files_to_be_written_are_found() -> None:
    """The outputs of every job, and no inputs or logs."""
    assert plan.read_outputs(DRY_RUN) == {
        "resources/weights/b0.safetensors",
        "resources/weights/b0.json",
        "results/shards/dtd/jpeg-q10",
    }


def test_a_split_has_all_images() -> None:
    """60, 20 and 20 % of DTD's 5,640, as the paper's Table I has them."""
    dtd = {"images": 5640, "split": {"val": 0.2, "test": 0.2}}
    assert plan.split_sizes(dtd) == {"train": 3384, "val": 1128, "test": 1128}


def test_the_seconds_of_a_run() -> None:
    """Ten epochs at 100 images/s: 60 s training, 20/3 s validation, 2/3 s test, 30 s start."""
    assert plan.run_seconds(DATASET, 10, 100.0) == pytest.approx(30 + 60 + 20 / 3 + 2 / 3)


def test_a_recorded_speed_is_scaled_by_area() -> None:
    """At 224 pixels a network is 2.04 times as fast as at 320, where it was recorded."""
    row = {"image_size": 320.0, "images_per_second": 354.99, "device": "d", "precision": "amp"}
    row |= {"batch_size": 0, "date": "2022", "source": "where"}
    rate = plan.recorded_rate({"net": row}, RECIPE)
    assert rate is not None
    assert rate.images_per_second == pytest.approx(354.99 * 102_400 / 50_176)
    assert "scaled from 320 px" in rate.origin and rate.source == "where"
    assert plan.recorded_rate({}, RECIPE) is None


def test_a_step_that_waits_for_its_start_is_no_shorter_with_fewer_or_smaller_images() -> None:
    """128 images of 224 px took 0.1 s; so do 32 of 64 px, and of 448 px four times as long."""
    row = {"image_size": 224.0, "batch_size": 128, "images_per_second": 1280.0, "device": "d"}
    speeds = {"net": {**row, "precision": "amp", "date": "2026", "source": "where"}}
    recipe = {"architecture": "net.a_tag", "batch_size": 32, "image_size": 64}
    for change, expected in (({}, 320), ({"batch_size": 256}, 1280), ({"image_size": 448}, 80)):
        rate = plan.recorded_rate(speeds, {**recipe, **change})
        assert rate is not None and rate.images_per_second == expected


def make_run(folder: Path, rates: list[str], **changes: Any) -> None:
    """Write the record and history of a run."""
    folder.mkdir(parents=True)
    record = {
        "recipe": RECIPE,
        "device": {"kind": "gpu", "name": "a card"},
        "seconds": {"setup": 1.0, "fit": 100.0, "test": 9.0},
        **changes,
    }
    write_record(folder / "run.json", record)
    rows = [f"{epoch},{rate}" for epoch, rate in enumerate(rates, 1)]
    text = "\n".join(["epoch,images_per_second", *rows]) + "\n"
    (folder / "history.csv").write_text(text, encoding="utf-8")


def test_a_measured_speed_is_the_median_over_epochs_and_runs(tmp_path: Path) -> None:
    """Of runs with 100, 300, 200 and 400 images/s in their median epochs, 250."""
    for seed, rates in enumerate((["90", "100", "110"], ["300"], ["1", "200", "200"], ["400"])):
        make_run(tmp_path / f"d/original/x/seed{seed}", rates)
    # None of these is a speed of that network, at that size, on that kind of device.
    make_run(tmp_path / "d/original/x/seed7", ["1"], device={"kind": "cpu", "name": "a processor"})
    make_run(tmp_path / "d/original/x/seed8", ["1"], recipe={**RECIPE, "image_size": 96})
    make_run(tmp_path / "d/original/x/seed9", ["nan", ""])
    make_run(tmp_path / "d/original/y/seed0", ["1"])
    rate = plan.measured_rate(tmp_path, "x", RECIPE, "gpu")
    assert rate is not None and rate.images_per_second == 250
    assert rate.origin == "measured: a card, 4 runs"
    assert plan.measured_rate(tmp_path, "z", RECIPE, "gpu") is None


def test_of_several_gpus_the_speed_is_of_each(tmp_path: Path) -> None:
    """Four train 400 images/s together: a GPU hour is of 100."""
    make_run(tmp_path / "d/original/x/seed0", ["400"], recipe={**RECIPE, "gpus": 4})
    rate = plan.measured_rate(tmp_path, "x", RECIPE, "gpu")
    assert rate is not None and rate.images_per_second == 100


def test_a_damaged_run_is_left_out(tmp_path: Path) -> None:
    """A run.json that was cut off hinders no plan."""
    make_run(tmp_path / "d/original/x/seed0", ["5"])
    make_run(tmp_path / "d/original/x/seed1", ["7"])
    (tmp_path / "d/original/x/seed1/run.json").write_text('{"rec', encoding="utf-8")
    rate = plan.measured_rate(tmp_path, "x", RECIPE, "gpu")
    assert rate is not None and rate.images_per_second == 5


def test_the_seconds_of_measured_runs_are_added_up(tmp_path: Path) -> None:
    """Setup, fit and test of a run: 1 + 100 + 9 s."""
    make_run(tmp_path / "d/original/x/seed0", ["5"])
    assert plan.measured_seconds(tmp_path, "d", "x") == 110
    assert plan.measured_seconds(tmp_path, "e", "x") is None


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ({"source": "url", "bytes": 7, "about_bytes": 8}, 7),
        ({"source": "hub", "about_bytes": 8.0}, 8),
        ({"source": "url"}, None),  # nobody knows
        ({"source": "package", "bytes": 7}, 0),  # it is installed
        ({"source": "file", "bytes": 7}, 0),
    ],
)
def test_what_a_file_adds_to_the_download(source: dict[str, Any], expected: float | None) -> None:
    """Files of URLs and hubs come over the network, others do not."""
    path = "resources/archives/d/a.tar"
    assert plan.to_download(source, path, plan.ToDo({}, frozenset([path]))) == expected
    assert plan.to_download(source, path, NOTHING) == 0  # it is there already


@pytest.mark.parametrize("place", ["a.tar", "d/a.tar"])
def test_what_lies_in_the_archives_folder_is_not_downloaded(tmp_path: Path, place: str) -> None:
    """A file of the study's `archives`, or of the data set's folder in it, is taken from there."""
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).write_bytes(b"x")
    path = "resources/archives/d/a.tar"
    todo = plan.ToDo({}, frozenset([path]))
    assert plan.to_download({"source": "url", "bytes": 7}, path, todo, tmp_path) == 0


SIZES = {
    ("a", "jpeg-q10"): 0.1,
    ("a", "jpeg-q30"): 0.2,
    ("b", "jpeg-q10"): 0.3,
    ("c", "jpeg-q10"): 0.8,
    ("c", "jpeg-q90"): 1.4,
}


@pytest.mark.parametrize(
    ("dataset", "variant", "expected"),
    [
        ("a", "original", 1.0),
        ("a", "jpeg-q10", 0.1),
        ("a", "jpeg-q25", 0.175),  # three quarters of the way from 0.1 to 0.2
        ("a", "jpeg-q50", 0.2),  # nearest
        ("new", "jpeg-q10", 0.3),  # the median of 0.1, 0.3 and 0.8
        ("c", "jpeg-q90-smaller", 1.0),  # keeps the sources
        ("a", "jpeg-q10-opt", 0.1),  # the same image, not larger
        ("a", "original-opt", 1.0),
        ("a", "s64-jpeg-q10-opt", None),
        ("a", "webp-q40", None),
        ("a", "noise", None),
        ("new", "noise", None),
    ],
)
def test_the_size_of_a_variant(dataset: str, variant: str, expected: float | None) -> None:
    """Recorded, between two recorded ones, of the other data sets, or unknown."""
    found = plan.variant_size(SIZES, dataset, variant)
    assert found == (None if expected is None else pytest.approx(expected))


def test_shards_that_are_there_are_measured(tmp_path: Path) -> None:
    """Where the folder is: the bytes of its tars; else an estimate of 1,800 bytes an image more."""
    folder = tmp_path / "jpeg-q50"
    assert plan.shard_bytes(str(folder), 1000, 1e6, 0.5) == 500_000 + 1_800_000
    assert plan.shard_bytes(str(folder), 1000, None, 0.5) is None
    folder.mkdir()
    for k, size in enumerate((5, 6)):
        (folder / f"train-{k}.tar").write_bytes(bytes(size))
        (folder / f"train-{k}.index.parquet").write_bytes(bytes(100))
    assert plan.shard_bytes(str(folder), 1000, None, None) == 11


@pytest.fixture
def study() -> dict[str, Any]:
    """Return a study of one data set with two learners of known, one of unknown speed."""
    learners = {
        "fast": {"framework": "timm", "recipe": RECIPE, "weights": "w"},
        "strange": {"framework": "autogluon", "recipe": {**RECIPE, "architecture": "other"}},
        "tabular": {"framework": "autogluon_tabular", "recipe": {"features": ["dct"]}},
    }
    variants = ("original", "jpeg-q10", "noise")
    return {
        "name": "mine",
        "datasets": {"a": DATASET},
        "archives": None,
        "shards": {"a": {v: f"results/shards/a/{v}" for v in variants}},
        "learners": learners,
        "weights": {"w": {"source": "url", "about_bytes": 2e7}},
        "runs": [("a", name, f"results/runs/a/{name}/run.json") for name in learners]
        + [("a", "fast", "results/runs/a/fast/done.json")],
    }


@pytest.fixture
def tables(tmp_path: Path) -> tuple[Path, Path]:
    """Return a table of sizes and one of speeds."""
    sizes, speeds = tmp_path / "sizes.csv", tmp_path / "throughput.csv"
    sizes.write_text(
        "dataset,variant,relative_to,relative_size,images,source\n"
        "a,original,archives,0.8,10,t\na,jpeg-q10,original,0.1,10,t\n"
    )
    speeds.write_text(
        "architecture,image_size,batch_size,device,precision,images_per_second,software,date,source\n"
        "net,224,0,a card,amp,100,PyTorch,2026,somewhere\n"
    )
    return sizes, speeds


def test_the_whole_plan(
    tmp_path: Path,
    study: dict[str, Any],
    tables: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One block of text: jobs, bytes, hours; what is not known is said to be unknown."""
    monkeypatch.chdir(tmp_path)
    outputs = {
        "resources/archives/a/a.tar",
        "resources/weights/w.safetensors",
        *(run for _, _, run in study["runs"] if "done" not in run),
    }
    todo = plan.ToDo({"train_timm": 1200}, frozenset(outputs))
    monkeypatch.setattr(plan, "dry_run", lambda snakefile, config: todo)
    lines = plan.plan("Snakefile", "{}", study, *tables, runs=tmp_path / "runs").splitlines()
    cells = {line.split("  ")[0]: line.split() for line in lines if line}
    assert cells["train_timm"] == ["train_timm", "1,200"]
    # 50 MB of archives hold 40 MB of images; in tars 1.8 MB more; a tenth, 4 MB, and 1.8 MB more.
    assert cells["a"] == ["a", "0.05", "0.05", "0.04", "0.01", "unknown", "unknown"]
    assert cells["weights"] == ["weights", "0.02"]
    # One run of 97.33 s is 0.03 hours.
    assert cells["fast"] == ["fast", "100", "recorded:", "a", "card,", "amp,", "2026", "[1]"]
    row = next(line for line in lines if line.startswith("fast"))
    assert row.split() == ["fast", "1", "0.0", "0.0"]
    row = next(line for line in lines if line.startswith("strange"))
    assert row.split() == ["strange", "1", "unknown", "unknown"]
    row = next(line for line in lines if line.startswith("tabular"))
    assert row.split() == ["tabular", "(CPU)", "1", "unknown", "unknown"]
    row = next(line for line in lines if line.startswith("total GPU hours"))
    assert row.split("  ")[-1].strip() == "0.0 + unknown"
    assert lines[-1] == "[1] somewhere"


def test_other_stores_are_compressed_images(
    tmp_path: Path,
    study: dict[str, Any],
    tables: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those of the same pixels count as these; how large WebP becomes, nobody knows."""
    monkeypatch.chdir(tmp_path)
    sizes = plan.read_sizes(tables[0])
    for more, compressed in ((("original-opt",), "0.05"), (("original-opt", "webp-q40"), "unkno")):
        variants = ("original", "jpeg-q10", *more)
        folders = {name: f"results/shards/a/{name}" for name in variants}
        text = plan._storage_table({**study, "shards": {"a": folders}}, NOTHING, sizes)
        row = next(line.split() for line in text.splitlines() if line.startswith("a "))
        # 4 MB at quality 10 and 40 MB of the originals' pixels, each with 1.8 MB of the tar.
        assert row[3] == "0.04" and row[4].startswith(compressed)


def test_the_stores_of_a_study_are_planned(root: Path) -> None:
    """Their shards are among those that the disk must hold, also of those that are not tested."""
    config = yaml.safe_load((root / "config/frontier.yaml").read_text(encoding="utf-8"))
    loaded = load_study(config, "config/frontier.yaml", root / "config")
    shards = plan.facts_of(loaded)["shards"]["photo-patches"]
    assert set(config["stores"]["names"]) <= set(shards)


def test_hours_are_those_of_all_runs(
    tmp_path: Path, study: dict[str, Any], tables: tuple[Path, Path]
) -> None:
    """A hundred runs of 97.33 s are 2.7 hours."""
    study["runs"] = [("a", "fast", str(i)) for i in range(100)]
    todo = plan.ToDo({}, frozenset(map(str, range(100))))
    speeds = plan.read_throughput(tables[1])
    text = plan._time_table(study, todo, speeds, tmp_path / "runs")
    row = next(line for line in text.splitlines() if line.startswith("fast"))
    assert row.split() == ["fast", "100", "2.7", "2.7"]
    row = next(line for line in text.splitlines() if line.startswith("strange"))
    assert row.split() == ["strange", "0", "-", "-"]


def test_a_probe_takes_a_gpu_for_its_features_alone(
    tmp_path: Path, study: dict[str, Any], tables: tuple[Path, Path]
) -> None:
    """1,000 images thrice as fast as in training, 3.33 s, and 30 s a start; on three variants.

    Its nine regressions are on a CPU; they are known, at 110 s a run, once there is one.
    """
    recipe = {"architecture": "net", "image_size": 224, "batch_size": 64, "regularization": [1.0]}
    study["learners"] = {"probe": {"framework": "probe", "recipe": recipe, "weights": "w"}}
    study["runs"] = [("a", "probe", f"{i}/run.json") for i in range(9)]
    features = {f"results/features/a/{variant}/probe.npz" for variant in study["shards"]["a"]}
    todo = plan.ToDo({}, frozenset(features | {record for _, _, record in study["runs"]}))
    speeds = plan.read_throughput(tables[1])
    assert plan.extraction_seconds(DATASET, 100.0) == pytest.approx(30 + 1000 / 300)

    def cells() -> dict[str, list[str]]:
        lines = plan._time_table(study, todo, speeds, tmp_path / "runs").splitlines()
        return {line.split("  ")[0]: line.split() for line in reversed(lines) if line}

    study["datasets"]["a"] = {**DATASET, "images": 1_000_000}  # 3 x (30 s + 3,333 s) are 2.8 h
    found = cells()
    assert found["probe, features"] == ["probe,", "features", "3", "2.8", "2.8"]
    assert found["probe (CPU)"] == ["probe", "(CPU)", "9", "unknown", "unknown"]
    assert found["total GPU hours"] == ["total", "GPU", "hours", "2.8", "2.8"]
    make_run(tmp_path / "runs/a/original/probe/seed0", [], recipe=recipe)
    assert cells()["probe (CPU)"] == ["probe", "(CPU)", "9", "0.3", "0.3"]


def test_a_done_study_says_so() -> None:
    """Without jobs there is no empty table."""
    assert plan._jobs_table({}).startswith("Nothing is to do")


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text.replace("image_size", "size"),
        lambda text: text.replace("100", "fast"),
        lambda text: text.replace("100", "-1"),
        lambda text: text.replace(",somewhere", ""),
        lambda text: text.replace("somewhere", "some,where"),
    ],
    ids=["empty", "a column", "a word", "negative", "cut off", "too wide"],
)
def test_a_damaged_table_is_one_line(tables: tuple[Path, Path], damage: Any) -> None:
    """What is no table of speeds is named, with what to do."""
    path = tables[1]
    path.write_text(damage(path.read_text()))
    with pytest.raises(UserError) as error:
        plan.read_throughput(path)
    assert str(error.value).startswith(f"{path}: ")
    assert str(error.value).endswith("; restore it from the repository")
    assert "\n" not in str(error.value)


def test_a_dry_run_that_fails_is_one_line(tmp_path: Path) -> None:
    """A workflow that cannot be planned is an error, not an empty plan."""
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text("rule all:\n    input:\n        'nowhere',\n", encoding="utf-8")
    with pytest.raises(UserError, match="dry run of the study failed"):
        plan.dry_run(snakefile, "{}")


def test_a_dry_run_lists_jobs_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The locked Snakemake prints what is read here, and writes nothing."""
    monkeypatch.chdir(tmp_path)
    snakefile = tmp_path / "Snakefile"
    snakefile.write_text(
        "rule all:\n    input:\n        'a.txt', 'b.txt',\n"
        "rule make:\n    output:\n        '{x}.txt', '{x}.log',\n"
        "    shell:\n        'touch {output}'\n"
    )
    todo = plan.dry_run(snakefile, "{}")
    assert todo == plan.ToDo({"make": 2}, frozenset({"a.txt", "a.log", "b.txt", "b.log"}))
    assert not (tmp_path / "a.txt").exists()


@pytest.mark.parametrize(
    ("hours", "gpus", "expected"),
    [
        ([3, 1, 2, 4], 1, 10),
        # The first has 3, then 4; the second 1, then 2.
        ([3, 1, 2, 4], 2, 7),
        ([3, 1, 2, 4], 4, 4),
        ([1] * 10, 64, 1),
        ([], 8, 0),
    ],
)
def test_the_makespan_is_that_of_the_next_free_gpu(
    hours: list[float], gpus: int, expected: float
) -> None:
    """By hand."""
    assert plan.makespan(hours, gpus) == expected
