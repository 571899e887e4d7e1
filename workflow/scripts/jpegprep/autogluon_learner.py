"""The learner `autogluon`: AutoGluon MultiModal fine-tunes a timm backbone by its own recipe.

AutoGluon keeps its defaults, except where the study's recipe says otherwise: the backbone, image
size, epochs, batch size, learning rate, and one validation an epoch. By default it averages the
best three epochs' weights (a greedy soup, chosen on validation), so there is no best epoch.
"""

import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from jpegprep import runs
from jpegprep.hub import offline_hub
from jpegprep.images import plain
from jpegprep.shards import ShardReader


def train(
    shards: Mapping[str, Sequence[str | Path]],
    weights: str | Path,
    recipe: Mapping[str, Any],
    classes: int,
    about: Mapping[str, Any],
    outputs: Mapping[str, str | Path],
    threads: int,
) -> None:
    """Fine-tune, predict the test set once, write the run.

    The arguments are those of `training.train`; ``model`` becomes a tar of AutoGluon's folder.
    """
    started = time.perf_counter()
    readers = {split: ShardReader(tars) for split, tars in shards.items()}
    with offline_hub(weights), tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        # Only now: the hub's library reads where its cache is when it is imported.
        import torch
        from autogluon.multimodal import MultiModalPredictor

        gpu = torch.cuda.is_available()
        torch.set_num_threads(threads)
        tables = {
            split: _unpack(reader, Path(scratch) / split) for split, reader in readers.items()
        }
        folder = Path(scratch) / "predictor"
        workers = max(1, threads - 1) if gpu else 0
        predictor = MultiModalPredictor(
            label="label", problem_type="multiclass", eval_metric="accuracy", path=str(folder)
        )
        ready = time.perf_counter()
        predictor.fit(
            train_data=tables["train"],
            tuning_data=tables["val"],
            seed=about["seed"],
            column_types={"image": "image_path"},
            hyperparameters={
                "model.names": ["timm_image"],
                "model.timm_image.checkpoint_name": recipe["architecture"],
                "model.timm_image.image_size": recipe["image_size"],
                "optim.max_epochs": recipe["epochs"],
                "optim.lr": recipe["learning_rate"],
                "optim.val_check_interval": 1.0,
                "env.batch_size": recipe["batch_size"],
                "env.per_gpu_batch_size": recipe["batch_size"],
                "env.num_workers": workers,
                "env.num_workers_inference": workers,
                **recipe["hyperparameters"],
            },
        )
        fitted = time.perf_counter()
        by_class = predictor.predict_proba(tables["test"][["image"]], as_pandas=False)
        predicted = time.perf_counter()
        probabilities = np.zeros((len(readers["test"]), classes), dtype=np.float32)
        probabilities[:, np.asarray(predictor.class_labels, dtype=int)] = by_class
        history = _history(folder)
        runs.write_run(
            outputs,
            readers,
            history,
            probabilities,
            lambda path: _pack(folder, path),
            {
                **about,
                "recipe": dict(recipe),
                "best_epoch": None,
                "val_accuracy": max(row["val_accuracy"] for row in history),
                "precision": "16-mixed" if gpu else "32-true",  # AutoGluon's default
                "seconds": {
                    "setup": round(ready - started, 2),
                    "fit": round(fitted - ready, 2),
                    "test": round(predicted - fitted, 2),
                },
            },
            threads,
        )


def _unpack(reader: ShardReader, folder: Path) -> pd.DataFrame:
    """Write a split's images into a folder, since AutoGluon reads files; return paths and labels.

    AutoGluon sees neither EXIF orientation nor 16 bits; the other variants were made upright and
    of 8 bits, so the originals are here, or the comparison would be of something else.
    """
    folder.mkdir()
    paths = []
    for i, key in enumerate(reader.keys):
        path = folder / str(key)  # Pillow tells the format by content
        path.write_bytes(plain(reader.image(i)))
        paths.append(str(path))
    return pd.DataFrame({"image": paths, "label": reader.labels})


def _history(folder: Path) -> list[dict[str, float]]:
    """Return history.csv's rows from the TensorBoard events that AutoGluon leaves.

    Its training loss is logged every tenth step; the mean of those is an epoch's. The throughput
    of training alone is not to be had.
    """
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tags = events.Tags()["scalars"]
    # The head's learning rate: the backbone's decays layer by layer.
    rate = max(
        (tag for tag in tags if tag.startswith("lr-")),
        key=lambda tag: events.Scalars(tag)[0].value,
    )
    rows = []
    previous_step, previous_time = -1, events.FirstEventTimestamp()
    losses = events.Scalars("val_loss")
    for epoch, (accuracy, loss) in enumerate(
        zip(events.Scalars("val_accuracy"), losses, strict=True), start=1
    ):
        inside = [e for e in events.Scalars("train_loss") if previous_step < e.step <= loss.step]
        rates = [e.value for e in events.Scalars(rate) if e.step <= loss.step]
        rows.append(
            {
                "epoch": epoch,
                "learning_rate": rates[-1] if rates else float("nan"),
                "train_loss": float(np.mean([e.value for e in inside])) if inside else float("nan"),
                "val_loss": loss.value,
                "val_accuracy": accuracy.value,
                "seconds": loss.wall_time - previous_time,
                "images_per_second": float("nan"),
            }
        )
        previous_step, previous_time = loss.step, loss.wall_time
    return rows


def _pack(folder: Path, target: Path) -> None:
    with tarfile.open(target, "w") as tar:
        for path in sorted(folder.iterdir()):
            if not path.name.startswith("events."):
                tar.add(path, arcname=path.name)
