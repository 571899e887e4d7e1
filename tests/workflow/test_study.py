"""A whole study: what it leaves, and that it is reproducible."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from test_bad_input import one_line

ROOT = Path(__file__).parents[2]
RUN = "results/runs/photo-patches/{variant}/{learner}/seed0/{file}"


def test_every_promised_file_is_there(project):
    """The tables, figures and report of a study are where results/README.md says."""
    for name in (
        "tables/table1_datasets.csv",
        "tables/table1_datasets.md",
        "tables/problems.csv",
        "tables/problems.md",
        "tables/size_vs_ratio.csv",
        "tables/size_vs_ratio.md",
        "tables/table3_storage.csv",
        "tables/table3_storage.md",
        "tables/table4_noise.csv",
        "tables/table4_noise.md",
        "tables/table5_tabular.csv",
        "tables/table5_tabular.md",
        "tables/convergence.csv",
        "tables/convergence.md",
        "tables/reproduction.csv",
        "tables/reproduction.md",
        "tables/claims.csv",
        "tables/claims.md",
        "tables/transfer.csv",
        "figures/fig1_schematic.svg",
        "figures/rulegraph.svg",
        "figures/noise_examples_photo-patches.svg",
        "figures/size_vs_ratio.svg",
        "figures/reproduction.svg",
        "figures/fig2_accuracy_vs_ratio.svg",
        "figures/fig2_accuracy_vs_ratio.png",
        "figures/fig3_convergence.svg",
        "findings.html",
        "report.html",
    ):
        assert project.path(f"results/small/{name}").stat().st_size > 0, name


def test_table1_counts_the_patches(project):
    """Table I has the counts that the photographs' sizes give."""
    table = pd.read_csv(project.path("results/small/tables/table1_datasets.csv"))
    columns = ["dataset", "classes", "total", "train", "test", "validation"]
    assert table.iloc[0][columns].tolist() == ["photo-patches", 3, 182, 110, 36, 36]
    assert table["explanation"].tolist() == ["182 files, none set aside"]
    assert table["paper_total"].isna().all()  # it is none of the paper's


def test_table3_is_what_shards_and_predictions_say(project):
    """Table III's sizes are those of the files in the tars, its accuracies those of the runs."""
    table = pd.read_csv(project.path("results/small/tables/table3_storage.csv"))
    row = table[table["learner"] == "tf_efficientnet_lite0"].iloc[0]
    for which, variant in (("original", "original"), ("compressed", "jpeg-q30")):
        folder = project.path(f"results/shards/photo-patches/{variant}")
        listing = "".join(
            subprocess.run(["tar", "tvf", tar], capture_output=True, text=True, check=True).stdout
            for tar in sorted(folder.glob("*.tar"))
        )
        images = [line.split() for line in listing.splitlines() if not line.endswith(".cls")]
        assert len(images) == 182
        mib = sum(int(fields[2]) for fields in images) / 2**20
        assert row[f"{which}_mib"] == pytest.approx(mib, rel=1e-5)
        path = RUN.format(
            variant=variant, learner="tf_efficientnet_lite0", file="predictions.parquet"
        )
        predictions = pd.read_parquet(project.path(path))
        accuracy = (predictions["label"] == predictions["predicted"]).mean()
        assert row[f"{which}_accuracy"] == pytest.approx(accuracy, rel=1e-5)
    assert row["relative_size"] == pytest.approx(
        row["compressed_mib"] / row["original_mib"], rel=1e-5
    )
    assert row["n"] == 36


def test_table4_is_what_predictions_say(project):
    """Three models tested as they were trained, and those of noisy images on clean ones, too."""
    table = pd.read_csv(project.path("results/small/tables/table4_noise.csv"))
    assert table["training"].tolist() == [
        "clean",
        "noisy",
        "jpeg of noisy",
        "noisy",
        "jpeg of noisy",
    ]
    assert table["test"].tolist() == ["clean", "treated", "treated", "clean", "clean"]
    for row in table.itertuples():
        folder = project.path(
            RUN.format(variant=row.variant, learner="tf_efficientnet_lite0", file="")
        )
        own = row.variant == row.test_variant
        path = folder / ("predictions.parquet" if own else f"tests/{row.test_variant}.parquet")
        predictions = pd.read_parquet(path)
        accuracy = (predictions["label"] == predictions["predicted"]).mean()
        assert row.accuracy == pytest.approx(accuracy, rel=1e-5)
        assert row.n == len(predictions) == 36


def test_noise_is_lossless_and_jpeg_is_made_of_it(project):
    """Noisy images are PNG; the compressed ones are what Pillow makes of these very pixels."""
    shards = project.path("results/shards/photo-patches")
    with (
        tarfile.open(shards / "noise/test-0.tar") as noisy,
        tarfile.open(shards / "noise-jpeg-q30/test-0.tar") as compressed,
    ):
        names = [name for name in noisy.getnames() if not name.endswith(".cls")]
        assert len(names) == 36 and all(name.endswith(".png") for name in names)
        for name in names:
            buffer = io.BytesIO()
            Image.open(noisy.extractfile(name)).save(buffer, "JPEG", quality=30)
            found = compressed.extractfile(f"{name.removesuffix('.png')}.jpg").read()
            assert found == buffer.getvalue()


def test_a_trained_model_is_tested_without_training(project):
    """Predictions of a model on other images are made again from what its run left."""
    learner = "tf_efficientnet_lite0"
    folder = RUN.format(variant="noise", learner=learner, file="tests/original.parquet")
    path = project.path(folder)
    before, time_before = path.read_bytes(), path.stat()
    path.unlink()
    assert project.planned(folder) == {"test_timm": 1}
    assert project.snakemake(folder).returncode == 0
    assert path.read_bytes() == before
    # As if it had never gone: what follows need not be made again.
    os.utime(path, ns=(time_before.st_atime_ns, time_before.st_mtime_ns))


def test_the_study_says_how_many_runs_are_done(project):
    """Each training job tells it when it ends: here the last of 20."""
    told = re.findall(r"run \d+ of 20 done: (photo-patches/\S+)", project.told)
    assert len(told) == len(set(told)) == 20
    assert "run 20 of 20 done: " in project.told
    assert "photo-patches/jpeg-q10/autogluon_tabular/seed0" in told


def test_a_learner_that_needs_a_gpu_ends_at_once(changed):
    """Where torch finds none, one line says so, and where to run it."""

    def needs_gpu(study):
        study["learners"]["tf_efficientnet_lite0"]["needs_gpu"] = True

    changed.edit("config/config.yaml", needs_gpu)
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    target = RUN.format(variant="original", learner="tf_efficientnet_lite0", file="run.json")
    run = changed.snakemake(target.replace("seed0", "seed1"))
    assert "learners.tf_efficientnet_lite0.needs_gpu is true, and torch finds no" in one_line(run)


def test_figures_are_pictures_of_a_columns_width(project):
    """The PNG opens, and the SVG is 3.5 inches (252 points) wide."""
    with Image.open(project.path("results/small/figures/fig2_accuracy_vs_ratio.png")) as image:
        assert image.width == 700  # 3.5 inches at 200 dots an inch
    svg = project.path("results/small/figures/fig2_accuracy_vs_ratio.svg").read_text("utf-8")
    assert 'width="252pt"' in svg


def test_report_has_every_result_with_its_caption(project):
    """The report is one file that holds the figures' captions."""
    html = project.path("results/small/report.html").read_text("utf-8")
    for words in ("Table I)", "Table III)", "Figure 2)", "Figure 3)"):
        assert words in html, words


def test_the_report_shows_each_result_by_one_label(project):
    """With two labels its page makes switches, and breaks at a combination that is no result."""
    html = project.path("results/small/report.html").read_text("utf-8")
    labels = re.findall(r'"labels": (\{[^}]*\})', html)
    shown = sorted(value for text in labels for value in json.loads(text).values())
    assert shown == [
        "Classes that lose most",
        "Difference to the original against ratio",
        "Each ratio against the original",
        "Figure 1: two ways to remove noise",
        "Figure 2: accuracy against ratio",
        "Figure 3 in numbers: epochs and rates",
        "Figure 3: accuracy against epoch",
        "Free savings",
        "Images that flip: photo-patches",
        "Noise: photo-patches",
        "Originals against originals",
        "Probe against fine-tuning",
        "Published against ours",  # the figure
        "Published against ours",  # the table
        "Reading against ratio",
        "Reading: seconds an epoch",
        "Rules of the study",
        "Size against ratio",  # the figure
        "Size against ratio",  # the table
        "Table I: data sets",
        "Table III: storage and accuracy",
        "Table IV: noise",
        "Table V, controls: units and leaks",
        "Table V: tabular classifiers",
        "The decision: how far",
        "The paper's claims",
        "Trained at one ratio, tested at another",  # the figure
        "Trained at one ratio, tested at another",  # the table
        "What is wrong with the images",
        "What training on compressed images wins back",
        "Where the bytes are",  # the figure
        "Where the bytes are",  # the table
    ]
    assert all(len(json.loads(text)) == 1 for text in labels)


def test_splits_share_no_image_and_no_photograph_area(project):
    """Train, validation and test have no patch in common, in any variant."""
    parts = {
        split: {
            key
            for index in project.path("results/shards/photo-patches/jpeg-q10").glob(
                f"{split}-*.index.parquet"
            )
            for key in pd.read_parquet(index)["key"]
        }
        for split in ("train", "val", "test")
    }
    assert sum(map(len, parts.values())) == len(set.union(*parts.values())) == 182


@pytest.mark.parametrize("learner", ["tf_efficientnet_lite0", "autogluon"])
def test_a_run_tells_what_made_it(project, learner):
    """run.json names recipe, versions, codec, device, cost; history.csv has a row an epoch."""
    folder = project.path(RUN.format(variant="original", learner=learner, file=""))
    run = json.loads((folder / "run.json").read_text("utf-8"))
    assert run["recipe"]["epochs"] == 3
    assert run["test"]["n"] == 36
    assert run["bytes_read"] > 0 and run["peak_memory_mib"]["process"] > 100
    assert "Pillow" in run["decoder"] and run["versions"]["torch"]
    history = pd.read_csv(folder / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    best = history["val_accuracy"].max()
    if learner == "autogluon":  # it averages epochs where that validates no worse than the best
        assert run["val_accuracy"] > best - 1e-5
    else:
        assert run["val_accuracy"] == pytest.approx(best, rel=1e-5)


@pytest.mark.parametrize(
    "learner", ["tf_efficientnet_lite0", pytest.param("autogluon", marks=pytest.mark.slow)]
)
def test_a_killed_study_ends_with_the_same_predictions(project, learner):
    """SIGKILL to the whole group in the middle of training; run again, byte-identical results."""
    folder = project.path(RUN.format(variant="original", learner=learner, file=""))
    before = {name: (folder / name).read_bytes() for name in ("predictions.parquet",)}
    accuracy = "results/small/tables/accuracy.csv"
    table = project.path(accuracy).read_bytes()
    rule = "train_autogluon" if learner == "autogluon" else "train_timm"
    log = project.path(f"results/logs/{rule}/photo-patches/original/{learner}/seed0.log")
    log.unlink()
    target = str((folder / "predictions.parquet").relative_to(project.folder))
    killed = subprocess.Popen(
        project.command("--force", target),
        cwd=project.folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 400
    begun = "epoch 1/3" if rule == "train_timm" else "Epoch 0"
    while not log.exists() or begun not in log.read_text("utf-8", errors="replace"):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert not (folder / "predictions.parquet").exists()

    locked = project.snakemake(accuracy)
    assert locked.returncode == 1 and "cannot be locked" in locked.stdout + locked.stderr
    unlocked = project.python("-m", "jpegprep.common.locks")
    assert unlocked.returncode == 0 and "Unlocked" in unlocked.stderr
    again = project.snakemake(target, accuracy)
    assert again.returncode == 0, again.stderr
    for name, content in before.items():
        assert (folder / name).read_bytes() == content
    assert project.path(accuracy).read_bytes() == table


def test_the_lock_of_a_living_snakemake_is_left_alone(project):
    """While a Snakemake works in the folder, `locks` says so and unlocks nothing."""
    lock = project.path(".snakemake/locks/0.input.lock")
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/small/report.html\n", encoding="utf-8")
    alive = subprocess.Popen(
        ["python", "-c", "import time; time.sleep(60)", "snakemake"], cwd=project.folder
    )
    try:
        refused = project.python("-m", "jpegprep.common.locks")
        assert refused.returncode == 1
        assert refused.stderr.startswith(f"error: process {alive.pid} still works on")
        assert lock.exists()
    finally:
        alive.kill()
        alive.wait()
        lock.unlink()


def test_a_lock_is_kept_while_the_study_has_a_mistake(project):
    """The mistake is told in one line, and unlocking is tried again once it is mended."""
    lock = project.path(".snakemake/locks/0.input.lock")
    lock.parent.mkdir(exist_ok=True)
    lock.write_text("results/small/report.html\n", encoding="utf-8")
    study = project.path("config/config.yaml")
    right = study.read_bytes()
    try:
        project.edit("config/config.yaml", lambda study: study.update(seeds=[-1]))
        refused = project.python("-m", "jpegprep.common.locks")
        assert refused.returncode == 1
        assert refused.stderr.startswith("error: config/config.yaml: seeds[0] is -1; ")
        assert refused.stderr.count("\n") == 1
    finally:
        study.write_bytes(right)
    assert project.python("-m", "jpegprep.common.locks").returncode == 0
    assert not lock.exists()


def test_the_reference_is_a_copy_of_the_results(project):
    """`make reference` copies tables, figures and run records; its numbers go into READMEs."""
    for name in ("README.md", "results/README.md"):
        shutil.copy(ROOT / name, project.path(name))
    project.path("results/demo").symlink_to("small")
    try:
        run = project.python("-m", "jpegprep.results.reference")
        assert run.returncode == 0, run.stderr
    finally:
        project.path("results/demo").unlink()
    for name in ("tables/runs.csv", "figures/fig2_accuracy_vs_ratio.svg"):
        copy = project.path(f"results/reference/{name}").read_bytes()
        assert copy == project.path(f"results/small/{name}").read_bytes()
    for run in pd.read_csv(project.path("results/small/tables/runs.csv"))["run"]:
        assert project.path(run.replace("results/", "results/reference/", 1)).exists()
    readme = project.path("results/README.md").read_text("utf-8")
    table = project.path("results/small/tables/table3_storage.md").read_text("utf-8")
    assert table.strip() in readme
