"""Small trainings in processes of their own, which tests disturb."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from project import ROOT

from jpegprep.images.images import codec
from jpegprep.shards.shards import pack, writing_shard

RECIPE: dict[str, Any] = {
    "architecture": "tf_efficientnet_lite0",
    "image_size": 32,
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 1e-3,
    "weight_decay": 0.05,
    "warmup_epochs": 0.5,
    "label_smoothing": 0.1,
    "augmentation": {"crop_scale": [0.5, 1.0], "horizontal_flip": 0.5},
    "eval_crop": 1.0,
    "gpu_precision": "32-true",
}
_TRAIN = """
import json, sys
from jpegprep.learners.timm_learner import train
train(**json.loads(sys.argv[1]))
"""
Shards = dict[str, list[str]]


class Training:
    """A training with a checkpoint after every epoch."""

    def __init__(self, folder: Path, shards: Shards, weights: Path, **recipe: Any) -> None:
        """Put the outputs into `folder`; `recipe` has what differs from `RECIPE`."""
        names = ("history.csv", "predictions.parquet", "run.json", "model.safetensors")
        self.outputs = {Path(name).stem: folder / name for name in names}
        self.checkpoint = folder / ".checkpoint"
        self.arguments: dict[str, Any] = {
            "shards": shards,
            "weights": str(weights),
            "recipe": {**RECIPE, **recipe},
            "classes": 2,
            "about": {"dataset": "two", "variant": "original", "learner": "l", "seed": 0},
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            "threads": recipe.get("gpus", 1),
            "checkpoint_seconds": 0,
        }

    def start(self) -> "subprocess.Popen[str]":
        """Start it in a process."""
        return subprocess.Popen(
            [sys.executable, "-c", _TRAIN, json.dumps(self.arguments)],
            env={**os.environ, "PYTHONPATH": str(ROOT / "workflow" / "scripts")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def record(self) -> dict[str, Any]:
        """Return run.json."""
        record: dict[str, Any] = json.loads(self.outputs["run"].read_bytes())
        return record


def waits_for_epoch(process: "subprocess.Popen[str]", epoch: int) -> None:
    """Read what a training prints until an epoch is done, and the one before in the checkpoint."""
    assert process.stdout
    assert any(line.startswith(f"epoch {epoch}/") for line in process.stdout)


def small_shards(folder: Path, patches: Callable[..., list[bytes]], **counts: int) -> Shards:
    """Write shards of patches from two photographs, so many of each for a split."""
    files = [iter(patches(name, 24)) for name in ("coffee.png", "gravel.png")]
    found = {}
    for split, count in counts.items():
        shard = folder / f"{split}-0.tar"
        with writing_shard(shard, "original", codec()) as writer:
            for label in range(2):
                for i in range(count):
                    data = next(files[label])
                    writer.append(pack([(f"{split}-{label}-{i}", label, data, data)]))
        found[split] = [str(shard)]
    return found
