"""The trainer: fine-tunes one timm model on one variant of one data set, by Lightning.

AdamW with a cosine schedule and linear warm-up; the epoch with the best validation accuracy (the
first of equals) is kept; the test set is read once, at the end, with the weights of that epoch.
For one seed, one machine and one number of threads, two runs on a CPU give identical predictions.
"""

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from timm.optim import create_optimizer_v2
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

from jpegprep import runs
from jpegprep.data import loader
from jpegprep.shards import ShardReader
from jpegprep.weights import pretrained_model, save_weights


class Classifier(lightning.LightningModule):
    """A timm model with its loss and its optimizer."""

    def __init__(self, model: nn.Module, recipe: Mapping[str, Any], steps: int) -> None:
        """Train `model` by `recipe` for `steps` steps in all."""
        super().__init__()
        self.model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._recipe = recipe
        self._steps = steps
        # The colour statistics of the pretraining, for pixels in [0, 1].
        for name in ("mean", "std"):
            values = torch.tensor(model.pretrained_cfg[name]).view(1, 3, 1, 1)  # type: ignore
            self.register_buffer(f"_{name}", values, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits (n, classes) for uint8 images (n, 3, height, width)."""
        pixels = (images.float() / 255 - self._mean) / self._std  # type: ignore[operator]
        return self.model(pixels.contiguous(memory_format=torch.channels_last))

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Return the loss of one batch, with label smoothing."""
        images, labels = batch
        loss = nn.functional.cross_entropy(
            self(images), labels, label_smoothing=self._recipe["label_smoothing"]
        )
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(labels))
        return loss

    def validation_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> None:
        """Add one batch to the validation loss and accuracy."""
        images, labels = batch
        logits = self(images).float()
        accuracy = (logits.argmax(1) == labels).float().mean()
        loss = nn.functional.cross_entropy(logits, labels)
        self.log("val_loss", loss, batch_size=len(labels))
        self.log("val_accuracy", accuracy, batch_size=len(labels))

    def predict_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """Return the probabilities of one batch, (n, classes) float32."""
        return self(batch[0]).float().softmax(1).cpu()

    def configure_optimizers(self) -> Any:
        """Return AdamW (no weight decay on biases and norms) and its schedule over steps."""
        recipe = self._recipe
        optimizer = create_optimizer_v2(
            self.model, "adamw", lr=recipe["learning_rate"], weight_decay=recipe["weight_decay"]
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


class History(Callback):
    """Collects history.csv's rows and prints a line for each epoch."""

    def __init__(self) -> None:
        """Start without rows."""
        self.rows: list[dict[str, float]] = []
        self._images = 0
        self._started = self._trained = 0.0

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        """Start the clock."""
        self._started = time.perf_counter()
        self._images = 0

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        """Remember the learning rate; at the batch's end it is the next one's already."""
        self._rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Count images and remember when the last batch ended."""
        self._images += len(batch[1])
        self._trained = time.perf_counter()

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """Add a row; validation has run by now."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        row = {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": self._rate,
            **{name: metrics[name] for name in ("train_loss", "val_loss", "val_accuracy")},
            "seconds": time.perf_counter() - self._started,
            "images_per_second": self._images / (self._trained - self._started),
        }
        self.rows.append(row)
        left = (trainer.max_epochs - row["epoch"]) * row["seconds"]
        print(
            f"epoch {row['epoch']}/{trainer.max_epochs}  loss {row['train_loss']:.4f}  "
            f"validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f}  "
            f"{row['images_per_second']:.1f} images/s  {left:.0f} s left",
            flush=True,
        )


def train(
    shards: Mapping[str, Sequence[str | Path]],
    weights: str | Path,
    recipe: Mapping[str, Any],
    classes: int,
    about: Mapping[str, Any],
    outputs: Mapping[str, str | Path],
    threads: int,
) -> None:
    """Fine-tune, choose the best epoch on validation, predict the test set once, write the run.

    Args:
        shards: the tars of the splits ``train``, ``val`` and ``test``.
        weights: pretrained weights as `weights.fetch_weights` writes them.
        recipe: the learner's recipe (described in the study's schema).
        classes: the number of classes.
        about: what run.json says the run is: dataset, variant, learner, seed, code.
        outputs: the paths of ``history``, ``predictions``, ``run`` and ``model``; all appear,
            whole, at the end.
        threads: processors to use.

    Raises:
        UserError: where a shard or the weights are damaged.
    """
    started = time.perf_counter()
    seed = about["seed"]
    gpu = torch.cuda.is_available()
    torch.set_num_threads(threads)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    lightning.seed_everything(seed, workers=True)
    # A GPU waits for its decoders; a CPU that trains has no core to spare for them.
    workers = max(1, threads - 1) if gpu else 0
    readers = {split: ShardReader(tars) for split, tars in shards.items()}
    data = {
        split: loader(reader, recipe, seed=seed, training=split == "train", workers=workers)
        for split, reader in readers.items()
    }
    model = Classifier(
        pretrained_model(recipe["architecture"], weights, classes),
        recipe,
        steps=recipe["epochs"] * len(data["train"]),
    )
    history = History()
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        best = ModelCheckpoint(
            scratch, monitor="val_accuracy", mode="max", save_top_k=1, save_weights_only=True
        )
        trainer = lightning.Trainer(
            accelerator="gpu" if gpu else "cpu",
            devices=1,
            precision=recipe["gpu_precision"] if gpu else "32-true",
            max_epochs=recipe["epochs"],
            deterministic="warn",
            callbacks=[history, best],
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            default_root_dir=scratch,
        )
        ready = time.perf_counter()
        trainer.fit(model, data["train"], data["val"])
        fitted = time.perf_counter()
        state = torch.load(best.best_model_path, map_location="cpu", weights_only=True)
    model.load_state_dict(state["state_dict"])
    probabilities = np.concatenate(
        [batch.numpy() for batch in trainer.predict(model, data["test"])]  # type: ignore
    )
    predicted = time.perf_counter()
    chosen = max(history.rows, key=lambda row: row["val_accuracy"])
    runs.write_run(
        outputs,
        readers,
        history.rows,
        probabilities,
        lambda path: save_weights(model.model.state_dict(), path),
        {
            **about,
            "recipe": dict(recipe),
            "best_epoch": chosen["epoch"],
            "val_accuracy": chosen["val_accuracy"],
            "precision": trainer.precision,
            "seconds": {
                "setup": round(ready - started, 2),
                "fit": round(fitted - ready, 2),
                "test": round(predicted - fitted, 2),
            },
        },
        threads,
    )
