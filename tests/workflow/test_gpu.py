"""The rehearsal of `make gpu`: every part, in tiny sizes, on a CPU, without Snakemake."""

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from gpu import measure, pack
from project import ROOT


@pytest.mark.skipif(not pack.MIRROR.is_dir(), reason="../shared/mirror, whose images it packs")
def test_every_part_runs_on_a_cpu(tmp_path: Path) -> None:
    """The JSON has every part, none failed; the runs' records come with it."""
    pack.pack(tmp_path / "pack", {"dtd": 60, "cifar10": 60})
    command = [sys.executable, str(ROOT / "tests/gpu/measure.py"), "--device", "cpu", "--tiny"]
    command += ["--threads", "1"]
    command += ["--pack", str(tmp_path / "pack"), "--out", str(tmp_path / "out")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    parts = json.loads((tmp_path / "out/gpu.json").read_text("utf-8"))["parts"]
    assert list(parts) == measure.PARTS
    assert parts["machine"]["gpu"] is None
    assert parts["trains"]["resumed"]["resumed_after_epoch"] in (1, 2)
    assert parts["trains"]["dtd on the CPU"]["n"] >= 10
    assert parts["speed"]["from memory"]["efficientnet_b0"] > 0
    with tarfile.open(tmp_path / "out/runs.tar.gz") as tar:
        names = tar.getnames()
    assert "runs/cifar10/original/tf_efficientnet_lite0/seed0/run.json" in names
    assert not any(name.endswith(".safetensors") for name in names)
