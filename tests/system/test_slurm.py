"""The workflow on a real Slurm: the tables are the local ones, whatever happens to its jobs.

`make slurm` runs it: as root on Debian or Ubuntu, since it installs Slurm and starts it.
"""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from project import SHORT_TABLES, Project, short_study

SCRIPT = Path(__file__).with_name("slurm.sh")
RUN = "results/runs/photo-patches/jpeg-q30/tf_efficientnet_lite0/seed0"
LOG = "results/logs/train_timm/photo-patches/jpeg-q30/tf_efficientnet_lite0/seed0.log"
# This machine's size; the profile is written for a cluster's nodes.
HERE = [
    *("--set-threads", "train_timm=2"),
    *("--resources", "network=1"),
    *("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", "6"),
    *("--slurm-no-account", "--latency-wait", "20"),
]

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="installs and starts Slurm: needs root")


class Cluster:
    """A project whose jobs run on Slurm."""

    def __init__(self, project: Project, jobs: Path) -> None:
        """Take a project, and the file in which Slurm lists the jobs that ended."""
        self.project = project
        self._jobs = jobs

    def command(self, *arguments: str, resources: str = "mem_mb=3000 runtime=10") -> list[str]:
        """Return the command line: the shipped profile, and what this machine has of it."""
        own = [f"train_timm:{resource}" for resource in resources.split()]
        own += ["train_timm:slurm_partition=gpu"]
        snakemake = self.project.command(*arguments)
        snakemake = [part for part in snakemake if part not in ("--cores", "2")]
        return [
            *snakemake,
            *("--workflow-profile", "profiles/slurm"),
            *("--default-resources", "slurm_partition=cpu", "mem_mb=attempt * 1500", "runtime=10"),
            *("--set-resources", *own),
            *HERE,
        ]

    def run(self, *arguments: str, **options: str) -> str:
        """Run it to its end, and return what it said."""
        done = subprocess.run(
            self.command(*arguments, **options),
            cwd=self.project.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def states(self) -> list[str]:
        """Return the states of the jobs that have ended, in their order."""
        if not self._jobs.exists():
            return []
        return re.findall(r"JobState=(\S+)", self._jobs.read_text())

    def tables(self) -> dict[str, bytes]:
        """Return the study's tables."""
        return {name: self.project.path(name).read_bytes() for name in SHORT_TABLES}

    def waits(self, ready: Callable[[str], bool], seconds: float) -> str:
        """Wait until the training's log is as it should be, and return it."""
        log = self.project.path(LOG)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            text = log.read_text("utf-8", errors="replace") if log.exists() else ""
            if ready(text):
                return text
            time.sleep(0.2)
        raise AssertionError(f"{log}: {text}")


def _short(folder: Path, epochs: int = 5) -> Project:
    project = Project(folder)
    project.edit("config/config.yaml", short_study)

    def train(study: dict[str, Any]) -> None:
        study["learners"]["tf_efficientnet_lite0"]["recipe"]["epochs"] = epochs

    project.edit("config/config.yaml", train)
    return project


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Start Slurm; yield its list of jobs that ended."""
    folder = tmp_path_factory.mktemp("slurm")
    subprocess.run([SCRIPT, "up", folder], check=True)
    yield folder / "jobs.txt"
    subprocess.run([SCRIPT, "down", folder], check=True)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project whose short study ran on this machine without Slurm."""
    project = _short(tmp_path_factory.mktemp("local"))
    done = project.snakemake(*SHORT_TABLES)
    assert done.returncode == 0, done.stdout + done.stderr
    return project


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, jobs: Path) -> Cluster:
    """Return a project whose short study ran on Slurm."""
    cluster = Cluster(_short(tmp_path_factory.mktemp("cluster")), jobs)
    began = time.monotonic()
    cluster.run(*SHORT_TABLES)
    states = cluster.states()
    print(f"{len(states)} Slurm jobs in {time.monotonic() - began:.0f} s: {states}")
    assert set(states) == {"COMPLETED"}
    return cluster


def test_the_tables_are_the_local_ones(local: Project, cluster: Cluster) -> None:
    """Byte for byte."""
    assert cluster.tables() == {name: local.path(name).read_bytes() for name in SHORT_TABLES}


def test_small_jobs_share_a_slurm_job(cluster: Cluster) -> None:
    """Slurm was sent fewer jobs than there are."""
    benchmarks = [
        path
        for path in cluster.project.path("results/benchmarks").rglob("*.tsv")
        if not re.match("download|fetch", path.relative_to(path.parents[2]).parts[0])
    ]
    assert 5 < len(cluster.states()) < len(benchmarks)


def test_too_little_memory_is_followed_by_more(cluster: Cluster, local: Project) -> None:
    """A job that Slurm kills for its memory runs again with twice as much."""
    before = len(cluster.states())
    output = cluster.run(*("--force", f"{RUN}/run.json"), resources="mem_mb=attempt*800 runtime=10")
    states = cluster.states()[before:]
    print(states, output)
    assert states[0] in ("OUT_OF_MEMORY", "FAILED", "CANCELLED")
    assert states[-1] == "COMPLETED"
    same_predictions(cluster.project, local)


def test_a_job_cancelled_from_outside_is_sent_again(cluster: Cluster, local: Project) -> None:
    """Somebody cancels the training while it trains."""
    before = len(cluster.states())
    cluster.project.path(LOG).unlink()
    with subprocess.Popen(
        cluster.command("--force", f"{RUN}/run.json"),
        cwd=cluster.project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        cluster.waits(lambda text: "epoch 1/" in text, 240)
        listed = subprocess.run(
            ["squeue", "-h", "-t", "R", "-o", "%i"], capture_output=True, text=True, check=True
        )
        subprocess.run(["scancel", *listed.stdout.split()], check=True)
    assert process.returncode == 0
    assert cluster.states()[before:] == ["CANCELLED", "COMPLETED"]
    same_predictions(cluster.project, local)


def test_after_snakemake_was_killed_the_study_goes_on(cluster: Cluster, local: Project) -> None:
    """What the README says: cancel its jobs, unlock, run it again."""
    cluster.project.path(LOG).unlink()
    process = subprocess.Popen(
        cluster.command("--force", f"{RUN}/run.json"),
        cwd=cluster.project.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    cluster.waits(lambda text: "epoch 1/" in text, 240)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(["scancel", "--user", "root"], check=True)
    cluster.project.unlock()
    cluster.run(*SHORT_TABLES, f"{RUN}/predictions.parquet")
    same_predictions(cluster.project, local)
    assert cluster.tables() == {name: local.path(name).read_bytes() for name in SHORT_TABLES}


def test_a_time_limit_in_the_middle_of_training_loses_little(tmp_path: Path, jobs: Path) -> None:
    """The second attempt goes on from the checkpoint, and predicts what one attempt would have."""
    undisturbed = _short(tmp_path / "undisturbed", epochs=80)
    done = undisturbed.snakemake(f"{RUN}/run.json")
    assert done.returncode == 0, done.stderr
    cluster = Cluster(_short(tmp_path / "limited", epochs=80), jobs)
    before = len(cluster.states())
    cluster.run(f"{RUN}/run.json", resources="mem_mb=3000 runtime=attempt")
    states = cluster.states()[before:]
    print(states, cluster.project.path(LOG).read_text())
    assert "TIMEOUT" in states
    record = json.loads(cluster.project.path(f"{RUN}/run.json").read_bytes())
    assert record["resumed_after_epoch"] >= 1
    same_predictions(cluster.project, undisturbed)


def same_predictions(project: Project, other: Project) -> None:
    """Compare the bytes of a run's predictions in two projects."""
    name = f"{RUN}/predictions.parquet"
    assert project.path(name).read_bytes() == other.path(name).read_bytes()
