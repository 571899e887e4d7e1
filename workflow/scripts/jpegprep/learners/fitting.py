"""One process's part of a training: the network, its loss, its schedule, its epochs.

AdamW with a cosine schedule and linear warm-up. The last epoch's network is tested, as the paper's
fixed number of epochs has it, unless the recipe says ``epoch: best``: an epoch that validation
chose can be a half-trained one, and two sides that are compared then differ by their epochs. For
one seed, one machine and one number of threads, two runs on a CPU give identical weights, also
where one was killed and went on from its `checkpoint`.
"""

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from timm.layers import convert_sync_batchnorm
from timm.optim import create_optimizer_v2
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from jpegprep.common.cpu import use_processors
from jpegprep.common.layout import SPLITS
from jpegprep.datasets.weights import pretrained_model
from jpegprep.learners import runs
from jpegprep.learners.checkpoint import Checkpoint, identity_of
from jpegprep.learners.data import ALONE, Normalization, Place, decoders, loader
from jpegprep.learners.history import History
from jpegprep.shards.shards import ShardReader

_KEPT = 1 << 30  # bytes of decoded pixels


class Classifier(lightning.LightningModule):
    """A timm model with its loss and its optimizer."""

    def __init__(self, model: nn.Module, recipe: Mapping[str, Any], steps: int) -> None:
        """Train `model` by `recipe` for `steps` steps in all."""
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._recipe = recipe
        self._steps = steps
        self._normalization = Normalization(model)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) for uint8 images (n, 3, height, width)."""
        return self.model(self._normalization(images))

    @property
    def _recorded(self) -> bool:
        return self.device.type == "cuda" and self._recipe.get("gpu_graphs", False)

    def on_train_start(self) -> None:
        """Record the network's kernels, where the recipe says so and it trains alone on a GPU."""
        if self._recorded and self.trainer.world_size == 1:
            data: Any = self.trainer.train_dataloader
            with self.trainer.precision_plugin.forward_context():
                self.record(min(data.batch_size, len(data.sampler)))

    def record(self, images: int) -> None:
        """Record the kernels of the network's training, forward and backward, as CUDA graphs.

        A GPU runs a small network's kernels faster than Python starts them one by one: on an H200 a
        step of EfficientNet-B0 at 224 px takes 45 ms with 128 images and 53 ms with 256. A graph
        starts them all at once; they are the same, and so is what they compute. A network that
        cannot be recorded is trained without, and the log says so.

        Args:
            images: in each batch.
        """
        size = self._recipe["image_size"]
        sample = torch.zeros(images, 3, size, size, device=self.device)
        before = {name: buffer.clone() for name, buffer in self.model.named_buffers()}
        self.model.train()
        try:
            sample = sample.contiguous(memory_format=torch.channels_last)
            torch.cuda.make_graphed_callables(self.model, (sample,))
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            print(f"trains without CUDA graphs, which are faster: {reason}", flush=True)
        for name, buffer in self.model.named_buffers():  # the recording's batches don't count
            buffer.copy_(before[name])

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss of one batch, with label smoothing."""
        images, labels = batch
        return nn.functional.cross_entropy(
            self(images), labels, label_smoothing=self._recipe["label_smoothing"]
        )

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Add one batch to the validation loss and accuracy."""
        images, labels = batch
        logits = self(images).float()
        accuracy = (logits.argmax(1) == labels).float().mean()
        loss = nn.functional.cross_entropy(logits, labels)
        self.log("val_loss", loss, batch_size=len(labels), sync_dist=True)
        self.log("val_accuracy", accuracy, batch_size=len(labels), sync_dist=True)

    def predict_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Return the probabilities of one batch, (n, classes) float32."""
        return self(batch[0]).float().softmax(1).cpu()

    def configure_optimizers(self) -> Any:
        """Return AdamW (no weight decay on biases and norms) and its schedule over steps."""
        recipe = self._recipe
        optimizer = create_optimizer_v2(
            self.model,
            "adamw",
            lr=recipe["learning_rate"],
            weight_decay=recipe["weight_decay"],
            **({"fused": True} if self._recorded else {}),
        )
        warmup = max(1, round(self._steps * recipe["warmup_epochs"] / recipe["epochs"]))
        schedule = SequentialLR(
            optimizer,
            [
                LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1),
                CosineAnnealingLR(optimizer, T_max=max(1, self._steps - warmup)),
            ],
            milestones=[warmup],
        )
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def fit(
    shards: Mapping[str, Sequence[str]],
    weights: str,
    recipe: Mapping[str, Any],
    classes: int,
    about: Mapping[str, Any],
    checkpoint: str,
    threads: int,
    checkpoint_seconds: float,
    rows: Mapping[str, Sequence[int]] | None = None,
    terminal: TextIO | None = None,
    place: Place = ALONE,
) -> dict[str, Any]:
    """Train, or take part in it.

    Args:
        shards: as in `train`.
        weights: likewise.
        recipe: likewise.
        classes: likewise.
        about: likewise.
        checkpoint: the path of the checkpoint.
        threads: processors that this process uses.
        checkpoint_seconds: as in `train`.
        rows: as of `readers_of`.
        terminal: as in `train`.
        place: which of the processes this is.

    Returns:
        ``tested``, the state of the `Classifier` that is to be tested, and ``tested_epoch``;
        ``rows``, of the history;
        ``resumed_after_epoch``, or None; ``trained``, seconds here; ``earlier``, seconds of the
        epochs before the checkpoint; ``peak_memory_mib`` of this process.

    Raises:
        UserError: where a shard or the weights are damaged.
    """
    gpu = torch.cuda.is_available()
    seed = about["seed"]
    use_processors(threads)
    warnings.filterwarnings("ignore", ".*(does not have many workers|no `val_dataloader`).*")
    lightning.seed_everything(seed, workers=True)
    readers = readers_of(shards, rows)
    data = {
        split: loader(
            readers[split],
            recipe,
            seed=seed,
            training=split == "train",
            place=place,
            **decoders(threads, _KEPT),
        )
        for split in ("train", "val")
        if len(readers[split])
    }
    network = pretrained_model(recipe["architecture"], weights, classes)
    if gpu and place.of > 1:  # batch norm sees the whole batch, as on one GPU
        network = convert_sync_batchnorm(network)
    model = Classifier(network, recipe, steps=recipe["epochs"] * len(data["train"]))
    history = History(runs.name_of(about), terminal)
    checkpoints = Checkpoint(
        Path(checkpoint),
        identity_of(about, recipe, weights, readers),
        seed,
        recipe.get("epoch", "last") if "val" in data else "last",
        checkpoint_seconds,
    )
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        trainer = trainer_of(recipe, gpu, scratch, [history, checkpoints], place.of)
        found = checkpoints.find()
        began = time.perf_counter()
        trainer.fit(model, data["train"], data.get("val"), ckpt_path=found, weights_only=True)
        trained = time.perf_counter() - began
    resumed_after = checkpoints.resumed_after
    return {
        "tested": checkpoints.tested,
        "tested_epoch": checkpoints.tested_epoch,
        "rows": history.rows,
        "resumed_after_epoch": resumed_after,
        "trained": trained,
        "earlier": sum(row["seconds"] for row in history.rows[: resumed_after or 0]),
        "peak_memory_mib": runs.peak_memory_mib(),
    }


def readers_of(
    shards: Mapping[str, Sequence[str | Path]], rows: Mapping[str, Sequence[int]] | None = None
) -> dict[str, ShardReader]:
    """Return the images of ``train``, ``val`` and ``test``.

    Args:
        shards: the tars of each split.
        rows: of all images, split by split, those that train, validate and test; None: as the
            splits say.

    Raises:
        UserError: where an index is damaged.
    """
    if rows is None:
        return {split: ShardReader(tars) for split, tars in shards.items()}
    every = ShardReader([tar for split in SPLITS for tar in shards[split]])
    return {split: every.part(rows[split]) for split in SPLITS}


def trainer_of(
    recipe: Mapping[str, Any],
    gpu: bool,
    scratch: str,
    callbacks: Sequence[Any] = (),
    processes: int = 1,
) -> lightning.Trainer:
    """Return a trainer that is silent, and as reproducible as the device allows."""
    # Deterministic torch also fills every new tensor, to make the use of uninitialized memory
    # reproducible: a third of the time of training on a CPU, for a mistake that layers don't make.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return lightning.Trainer(
        accelerator="gpu" if gpu else "cpu",
        devices=processes,
        strategy="ddp" if processes > 1 else "auto",
        use_distributed_sampler=False,  # ours knows its place
        precision=recipe["gpu_precision"] if gpu else "32-true",
        max_epochs=recipe["epochs"],
        deterministic="warn",
        callbacks=list(callbacks),
        plugins=[LightningEnvironment()],  # in a Slurm job, too: Snakemake sends it again
        logger=False,
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=scratch,
    )
