"""Jobs on a machine with several GPUs: each takes one, and none twice while another is free."""

import collections
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jpegprep.common.gpus import take_gpus

SCRIPTS = Path(__file__).parents[3] / "workflow" / "scripts"
JOB = """
import os, sys
from jpegprep.common.gpus import take_gpus
taken = take_gpus(int(os.environ.get("WANTED", 1)))
print(taken, os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
sys.stdin.read()
"""


class Jobs:
    """Jobs that each hold a GPU until they end."""

    def __init__(self, folder: Path) -> None:
        """Keep the locks in `folder`."""
        self.running: list[subprocess.Popen[str]] = []
        self._environment = {
            **{k: v for k, v in os.environ.items() if k not in ("SLURM_JOB_ID",)},
            **{"PYTHONPATH": str(SCRIPTS), "TMPDIR": str(folder)},
        }

    def start(self, gpus: str = "0,1,GPU-5e:3", **environment: str) -> list[str]:
        """Start one, and return what it took and what CUDA will see."""
        process = subprocess.Popen(
            [sys.executable, "-c", JOB],
            env={**self._environment, "CUDA_VISIBLE_DEVICES": gpus, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        assert process.stdout
        return process.stdout.readline().split()

    def end(self, i: int, how: signal.Signals) -> None:
        """End the i-th."""
        self.running[i].send_signal(how)
        self.running[i].wait()


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """Return a machine without jobs."""
    jobs = Jobs(tmp_path)
    yield jobs
    for process in jobs.running:
        process.kill()
        process.communicate()


def test_each_job_has_a_gpu_of_its_own(jobs: Jobs) -> None:
    """As many jobs as GPUs take all of them, and CUDA sees no other."""
    found = [jobs.start() for _ in range(3)]
    assert [taken for taken, _ in found] == ["0", "1", "GPU-5e:3"]
    assert all(taken == seen for taken, seen in found)


def test_a_job_on_several_gpus_takes_them_all(jobs: Jobs) -> None:
    """It has two of three; the next one has the third, and who wants all of them has all."""
    assert jobs.start(WANTED="2") == ["0,1", "0,1"]
    assert jobs.start()[0] == "GPU-5e:3"
    assert sorted(jobs.start(WANTED="3")[0].split(",")) == ["0", "1", "GPU-5e:3"]


def test_more_jobs_than_gpus_share_them_evenly(jobs: Jobs) -> None:
    """Six jobs on three GPUs are two on each."""
    taken = collections.Counter(jobs.start()[0] for _ in range(6))
    assert set(taken.values()) == {2}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_gpu_is_free_again_however_its_job_ended(jobs: Jobs, how: signal.Signals) -> None:
    """Nothing of a killed job stays."""
    for _ in range(3):
        jobs.start()
    jobs.end(1, how)
    assert jobs.start()[0] == "1"


@pytest.mark.parametrize("gpus", ["0", "", "7"])
def test_where_there_is_no_choice_nothing_is_chosen(jobs: Jobs, gpus: str) -> None:
    """One GPU, or none."""
    assert jobs.start(gpus)[0] == "None"


def test_slurm_has_chosen_already(jobs: Jobs) -> None:
    """What Slurm gave to a job stays as it is."""
    assert jobs.start("2,3", SLURM_JOB_ID="12") == ["None", "2,3"]


def test_a_machine_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken, and nothing is written."""
    if list(Path("/dev").glob("nvidia[0-9]*")):
        pytest.skip("this machine has a GPU")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert take_gpus() is None
