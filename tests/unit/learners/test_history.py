"""How a training goes: the rows of history.csv, the log's lines, and the bar on a terminal."""

import fcntl
import io
import os
import re
import struct
import termios
import threading
import time
from pathlib import Path
from typing import Any, TextIO

import lightning
import pytest
import torch
from torch.utils.data import DataLoader, default_collate

from jpegprep.learners.history import History
from jpegprep.learners.runs import HISTORY

# Ten numbers in batches of 4, 4 and 2. The loss of a batch is w times its mean, so each step takes
# the learning rate times that mean from w: losses can be computed by hand.
NUMBERS = [1.0] * 4 + [2.0] * 4 + [3.0] * 2
# From w = 1, at rate 0.1: w is 1, 0.9, 0.7 and then 0.4; at rate 0.05: 0.4, 0.35, 0.25, and 0.1.
LOSSES = [
    (4 * 1.0 + 4 * 0.9 * 2 + 2 * 0.7 * 3) / 10,
    (4 * 0.4 + 4 * 0.35 * 2 + 2 * 0.25 * 3) / 10,
]
AFTER = [0.4, 0.1]


class Line(lightning.LightningModule):
    """One number w, which learns slower in its second epoch."""

    def __init__(self, pause: float) -> None:
        """Take so many seconds for each step."""
        super().__init__()
        self.w = torch.nn.Parameter(torch.tensor(1.0))
        self.other = torch.nn.Parameter(torch.tensor(1.0))
        self._pause = pause

    def training_step(self, batch: Any, _: int) -> torch.Tensor:
        """Return w times the batch's mean; the other number takes no part."""
        time.sleep(self._pause)
        numbers = batch["image"] if isinstance(batch, dict) else batch[0]
        return self.w * numbers.mean() + 0 * self.other

    def validation_step(self, batch: Any, _: int) -> None:
        """Log w as the loss, and a quarter more accuracy each epoch."""
        self.log("val_loss", self.w.detach().clone())
        self.log("val_accuracy", 0.25 * (1 + self.current_epoch))

    def configure_optimizers(self) -> Any:
        """Halve the rates after the first epoch's three steps; the other number's are smaller."""
        groups = [{"params": [self.other], "lr": 0.001}, {"params": [self.w], "lr": 0.1}]
        optimizer = torch.optim.SGD(groups)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.5)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


def named(items: list[tuple[torch.Tensor, int]]) -> dict[str, Any]:
    """Return a batch as AutoGluon has it: a mapping, in which not all is a tensor."""
    images, labels = default_collate(items)
    return {"names": ["a name"], "image": images, "label": labels}


def fit(
    folder: Path, terminal: TextIO | None = None, pause: float = 0, collate: Any = None
) -> History:
    """Train for two epochs and return what was collected."""
    history = History("two/original/line/seed0", terminal)
    data: Any = [(torch.tensor(number), 0) for number in NUMBERS]
    loader: Any = DataLoader(data, batch_size=4, collate_fn=collate)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[history],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=folder,
    )
    trainer.fit(Line(pause), loader, loader)
    return history


@pytest.mark.parametrize("collate", [None, named], ids=["ours", "AutoGluon's"])
def test_each_epoch_is_a_row(tmp_path: Path, collate: Any) -> None:
    """The training loss is the mean over images, the last batch's two counting as two."""
    rows = fit(tmp_path, collate=collate).rows
    assert [list(row) for row in rows] == [HISTORY, HISTORY]
    assert [row["epoch"] for row in rows] == [1, 2]
    assert [row["train_loss"] for row in rows] == pytest.approx(LOSSES)
    assert [row["val_loss"] for row in rows] == pytest.approx(AFTER)
    assert [row["val_accuracy"] for row in rows] == [0.25, 0.5]


def test_the_learning_rate_is_the_last_steps_and_the_greatest(tmp_path: Path) -> None:
    """The first epoch learns at 0.1 up to its end, though the schedule halves it right there."""
    rows = fit(tmp_path).rows
    assert [row["learning_rate"] for row in rows] == pytest.approx([0.1, 0.05])


def test_time_is_told(tmp_path: Path) -> None:
    """Three steps of at least 0.05 s: so many seconds, and at most so many images a second."""
    begun = time.perf_counter()
    rows = fit(tmp_path, pause=0.05).rows
    took = time.perf_counter() - begun
    for row in rows:
        assert 0.15 <= row["seconds"] <= took
        # Training alone: validation is not in the images' time.
        assert 10 / row["seconds"] <= row["images_per_second"] <= 10 / 0.15
    assert sum(row["seconds"] for row in rows) <= took


def test_each_epoch_is_a_line_of_the_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log says where the run stands, what it reached, how fast, and how long it will take."""
    rows = fit(tmp_path).rows
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    speeds = [row["images_per_second"] for row in rows]
    left = [rows[0]["seconds"], 0]
    assert lines == [
        f"epoch {n}/2  loss {loss}  validation loss {after} accuracy {accuracy}  "
        f"{speed:.1f} images/s  {seconds:.0f} s left"
        for n, loss, after, accuracy, speed, seconds in zip(
            *((1, 2), ("1.5400", "0.5900"), ("0.4000", "0.1000"), ("0.2500", "0.5000")),
            *(speeds, left),
            strict=True,
        )
    ]


class Terminal:
    """A pseudo-terminal of 200 columns, and what was drawn on it."""

    def __init__(self) -> None:
        """Open both ends and read what comes."""
        self._watched, end = os.openpty()
        fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
        self.file = os.fdopen(end, "w", buffering=1, encoding="utf-8")
        self._parts: list[bytes] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        try:
            while part := os.read(self._watched, 4096):
                self._parts.append(part)
        except OSError:  # Linux's way of saying that the other end is closed
            return

    def drawn(self) -> str:
        """Close the terminal and return all that was drawn."""
        self.file.close()
        self._reader.join(10)
        os.close(self._watched)
        return b"".join(self._parts).decode("utf-8")


def test_a_terminal_shows_a_bar(tmp_path: Path) -> None:
    """It names the run, and says epoch, loss, images/s, and the accuracy as soon as there is one.

    At the end it is gone.
    """
    terminal = Terminal()
    assert terminal.file.isatty()
    fit(tmp_path, terminal.file, pause=0.36)  # the loss is read once a second
    drawn = terminal.drawn()
    states = [state for state in drawn.split("\r") if state.strip()]
    assert all(state.startswith("two/original/line/seed0: ") for state in states)
    assert "0/6" in states[0]
    first = next(state for state in states if "epoch 1/2" in state)
    speed = re.search(r"epoch 1/2, loss 1\.\d{3}, (\d+) images/s", first)
    assert speed is not None
    assert 0 < int(speed[1]) <= 4 / 0.36 + 1
    assert any(re.search(r"epoch 2/2, loss 0\.\d{3}, accuracy 0\.250, ", x) for x in states)
    assert drawn.split("\r")[-2].strip() == ""  # written over with blanks


@pytest.mark.parametrize("kind", ["a file", "a text", "none"])
def test_nothing_is_drawn_where_nobody_watches(tmp_path: Path, kind: str) -> None:
    """A file, a pipe or nothing gets no bar, and the rows are the same."""
    path = tmp_path / "file"
    terminal = {"a file": path.open("w"), "a text": io.StringIO(), "none": None}[kind]
    rows = fit(tmp_path, terminal).rows
    if terminal is not None:
        written = terminal.getvalue() if isinstance(terminal, io.StringIO) else None
        terminal.close()
        assert (path.read_text() if written is None else written) == ""
    assert [row["train_loss"] for row in rows] == pytest.approx(LOSSES)
