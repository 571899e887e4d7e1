"""How a training goes: collects history.csv's rows, and shows them in the log and on a terminal."""

import time
from collections.abc import Mapping
from math import nan
from typing import Any, TextIO

import torch
from lightning.pytorch.callbacks import Callback
from tqdm import tqdm


class History(Callback):
    """Collects a row an epoch, prints it to the log, and draws a bar where somebody watches.

    For any Lightning module that logs ``val_loss`` and ``val_accuracy``, ours or AutoGluon's; where
    nothing validates, they are not-a-number.

    Attributes:
        rows: history.csv's, one mapping an epoch, with the keys of `runs.HISTORY`.
    """

    def __init__(self, name: str, terminal: TextIO | None = None) -> None:
        """Start without rows.

        Args:
            name: the run's, before its bar.
            terminal: where the bar is drawn, if that is a terminal.
        """
        self.rows: list[dict[str, float]] = []
        self._name = name
        self._terminal = terminal if terminal is not None and terminal.isatty() else None
        self._bar: Any = None
        self._images = 0
        self._loss: torch.Tensor | float = 0.0
        self._begun = self._started = self._trained = self._shown = 0.0

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint holds for this callback."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it back."""
        self.rows = state_dict["rows"]

    def on_train_start(self, trainer: Any, module: Any) -> None:
        """Start the run's clock, and its bar over the batches of all epochs."""
        self._begun = time.perf_counter()
        if self._terminal:
            total = trainer.max_epochs * trainer.num_training_batches
            self._bar = tqdm(
                total=total,
                initial=trainer.global_step,
                desc=self._name,
                file=self._terminal,
                unit="batch",
                leave=False,
                dynamic_ncols=True,
            )

    def on_train_epoch_start(self, trainer: Any, module: Any) -> None:
        """Start the epoch's clock."""
        self._started = time.perf_counter()
        self._images, self._loss = 0, 0.0

    def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, index: int) -> None:
        """Remember the learning rate; at the batch's end it is the next one's already.

        Of several, the greatest: AutoGluon's backbone learns more slowly, layer by layer.
        """
        self._rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)

    def on_train_batch_end(
        self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int
    ) -> None:
        """Count images, add up the loss, remember when the batch ended, move the bar."""
        images = _images(batch)
        loss = outputs["loss"] if isinstance(outputs, Mapping) else outputs
        self._loss = self._loss + loss.detach() * images
        self._images += images
        self._trained = time.perf_counter()
        if self._bar is not None:
            # Reading the loss makes a GPU wait, so not at every batch.
            if self._trained - self._shown > 1:
                self._shown = self._trained
                self._bar.set_postfix_str(self._state(trainer), refresh=False)
            self._bar.update()

    def _state(self, trainer: Any) -> str:
        """Return what stands behind the bar: of the epoch so far, and the last accuracy."""
        rate = self._images / (self._trained - self._started)
        state = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}, "
        state += f"loss {float(self._loss) / self._images:.3f}, "
        if self.rows:
            state += f"accuracy {self.rows[-1]['val_accuracy']:.3f}, "
        return f"{state}{rate:.0f} images/s"

    def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
        """Add a row; validation has run by now."""
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        loss, images = float(self._loss), float(self._images)
        if trainer.world_size > 1:  # each process has seen a part of the images
            seen = torch.tensor([loss, images], dtype=torch.float64, device=module.device)
            loss, images = trainer.strategy.reduce(seen, reduce_op="sum").tolist()
        row = {
            "epoch": trainer.current_epoch + 1,
            "learning_rate": self._rate,
            "train_loss": loss / images,
            "val_loss": metrics.get("val_loss", nan),
            "val_accuracy": metrics.get("val_accuracy", nan),
            "seconds": time.perf_counter() - self._started,
            "images_per_second": images / (self._trained - self._started),
        }
        self.rows.append(row)
        left = (trainer.max_epochs - row["epoch"]) * row["seconds"]
        print(
            f"epoch {row['epoch']}/{trainer.max_epochs}  loss {row['train_loss']:.4f}  "
            f"validation loss {row['val_loss']:.4f} accuracy {row['val_accuracy']:.4f}  "
            f"{row['images_per_second']:.1f} images/s  {left:.0f} s left",
            flush=True,
        )

    def on_train_end(self, trainer: Any, module: Any) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()


def _images(batch: Any) -> int:
    """Return how many images a batch holds, of our (images, labels) or of AutoGluon's mapping."""
    tensors = batch.values() if isinstance(batch, Mapping) else batch
    return next(len(tensor) for tensor in tensors if isinstance(tensor, torch.Tensor))
