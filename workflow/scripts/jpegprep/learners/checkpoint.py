"""The checkpoint of a training run: with it a killed run goes on as if nothing had happened.

It is one file beside the run's outputs, written whole after an epoch and removed with success. It
holds the network, the optimizer, its schedule, the history and the network to be tested. The order
of the images and their augmentation come from (seed, epoch, image), and the random numbers of the
network from (seed, epoch, process): a run that was resumed ends with the predictions of one that
was not.
"""

import json
from collections.abc import Mapping
from contextlib import nullcontext
from hashlib import sha256
from pathlib import Path
from pickle import UnpicklingError
from time import monotonic
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np
import torch
from lightning.pytorch import callbacks

from jpegprep.common.files import replacing, sha256_of
from jpegprep.shards.shards import ShardReader


class Checkpoint(callbacks.Checkpoint):
    """Writes the checkpoint, and keeps the network of the epoch that is to be tested.

    Attributes:
        tested: the state of that network: of the last epoch, or of the one with the greatest
            validation accuracy, the first of equals.
        tested_epoch: which it is, from 1.
        resumed_after: the last epoch of the checkpoint that was found; None where there was none.
    """

    def __init__(
        self, path: Path, identity: str, seed: int, epoch: str, least_seconds: float
    ) -> None:
        """Begin without an epoch.

        Args:
            path: of the checkpoint.
            identity: of the run, as `identity_of` gives it.
            seed: the run's.
            epoch: which is tested, ``last`` or ``best``.
            least_seconds: between one checkpoint and the next: what a killed run may lose, at most,
                beside the epoch that it was in.
        """
        self.tested: dict[str, torch.Tensor] = {}
        self.tested_epoch = 0
        self.resumed_after: int | None = None
        self._accuracy = -1.0
        self._path = path
        self._identity = identity
        self._seed = seed
        self._epoch = epoch
        self._least_seconds = least_seconds
        self._written = monotonic()

    def find(self) -> Path | None:
        """Return the path of the checkpoint that this run may go on from, if there is one."""
        if not self._path.exists():
            return None
        try:
            with ZipFile(self._path) as archive:
                damaged = archive.testzip() is not None
            state = torch.load(self._path, map_location="cpu", weights_only=True)
        except (OSError, BadZipFile, RuntimeError, UnpicklingError, EOFError, ValueError):
            damaged = True
        if damaged:
            print(f"{self._path} is damaged: training starts anew", flush=True)
            return None
        if state.get("identity") != self._identity:
            print(f"{self._path} is of another configuration: training starts anew", flush=True)
            return None
        self.resumed_after = state["epoch"] + 1
        print(f"goes on after epoch {self.resumed_after}, from {self._path}", flush=True)
        return self._path

    def state_dict(self) -> dict[str, Any]:
        """Return what the checkpoint holds for this callback."""
        return {
            "tested": self.tested,
            "tested_epoch": self.tested_epoch,
            "accuracy": self._accuracy,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self.tested, self.tested_epoch = state_dict["tested"], state_dict["tested_epoch"]
        self._accuracy = state_dict["accuracy"]

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Say whose checkpoint it is."""
        checkpoint["identity"] = self._identity

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Draw the epoch's random numbers from (seed, epoch), in further processes others."""
        source = (self._seed, trainer.current_epoch, trainer.global_rank)
        state = np.random.SeedSequence(source[: 2 + (trainer.global_rank > 0)]).generate_state(1)
        torch.manual_seed(int(state[0]))

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep the network that is to be tested so far; write the checkpoint where it is time."""
        accuracy = float(trainer.callback_metrics.get("val_accuracy", 0))
        last = trainer.current_epoch + 1 == trainer.max_epochs
        if last if self._epoch == "last" else accuracy > self._accuracy:
            self._accuracy = accuracy
            self.tested_epoch = trainer.current_epoch + 1
            self.tested = {
                name: value.detach().to("cpu", copy=True)
                for name, value in pl_module.state_dict().items()
            }
        # Of several processes all take part, when the first one's clock says so; it alone writes.
        if trainer.strategy.broadcast(monotonic() - self._written >= self._least_seconds):
            with replacing(self._path) if trainer.is_global_zero else nullcontext("") as part:
                trainer.save_checkpoint(part)
            self._written = monotonic()


def identity_of(
    about: Mapping[str, Any],
    recipe: Mapping[str, Any],
    weights: str | Path,
    readers: Mapping[str, ShardReader],
) -> str:
    """Return a hash of all that a run's result depends on: a checkpoint of another is no use.

    Args:
        about: what run.json says the run is: dataset, variant, learner, seed, code.
        recipe: the learner's.
        weights: the pretrained weights' file.
        readers: the shards of each split.
    """
    found = {
        "about": dict(about),
        "recipe": dict(recipe),
        "weights": sha256_of(weights),
        "shards": {split: reader.checksum() for split, reader in readers.items()},
    }
    return sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()
