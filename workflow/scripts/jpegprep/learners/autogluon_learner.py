"""The learner `autogluon`: AutoGluon MultiModal fine-tunes a timm backbone by its own recipe.

AutoGluon keeps its defaults, except where the study's recipe says otherwise: the backbone, image
size, epochs, batch size, learning rate, and one validation an epoch. By default it averages the
best three epochs' weights (a greedy soup, chosen on validation), so no single epoch is tested:
``val_accuracy`` of a run is that of the averaged weights.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.cpu import use_processors
from jpegprep.datasets.hub import offline_hub
from jpegprep.images.images import plain
from jpegprep.learners import runs
from jpegprep.learners.folds import groups_among
from jpegprep.learners.model_tars import pack_model, unpack_model
from jpegprep.shards.shards import ShardReader, tars_of


def train(
    shards: Mapping[str, Sequence[str | Path]],
    weights: str | Path,
    recipe: Mapping[str, Any],
    classes: int,
    about: Mapping[str, Any],
    outputs: Mapping[str, str | Path],
    threads: int,
    terminal: TextIO | None = None,
    groups: str | Path | None = None,
) -> None:
    """Fine-tune, predict the test set once, write the run.

    The arguments are those of `timm_learner.train`; ``model`` becomes a tar of AutoGluon's folder.
    """
    started = time.perf_counter()
    readers = {split: ShardReader(tars) for split, tars in shards.items()}
    with offline_hub(weights), tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        # Only now: the hub's library reads where its cache is when it is imported.
        import torch
        from autogluon.multimodal import MultiModalPredictor

        from jpegprep.learners.history import History

        gpu = torch.cuda.is_available()
        use_processors(threads)
        tables = {
            split: _unpack(reader, Path(scratch) / split) for split, reader in readers.items()
        }
        folder = Path(scratch) / "predictor"
        workers = _WORKERS_BESIDE_GPU if gpu else _WORKERS
        two = tables["train"]["label"].nunique() == 2  # AutoGluon calls nothing else multiclass
        predictor = MultiModalPredictor(
            label="label",
            problem_type="binary" if two else "multiclass",
            eval_metric="accuracy",
            path=str(folder),
        )
        ready = time.perf_counter()
        history = History(runs.name_of(about), terminal)
        with _watched(predictor, history):
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
        validated = _predict(predictor, tables["val"], classes).argmax(1)
        fitted = time.perf_counter()
        probabilities = _predict(predictor, tables["test"], classes)
        predicted = time.perf_counter()
        runs.write_run(
            outputs,
            readers,
            history.rows,
            probabilities,
            lambda path: pack_model(folder, path),
            {
                **about,
                "recipe": dict(recipe),
                "tested_epoch": None,
                "val_accuracy": float((validated == readers["val"].labels).mean()),
                "precision": "16-mixed" if gpu else "32-true",  # AutoGluon's default
                "seconds": {
                    "setup": round(ready - started, 2),
                    "fit": round(fitted - ready, 2),
                    "test": round(predicted - fitted, 2),
                },
            },
            threads,
            groups=groups_among(groups, readers["test"].keys),
        )


# Processes that transform images. Each has random numbers of its own, so a number that followed the
# processors would augment otherwise on another machine.
_WORKERS, _WORKERS_BESIDE_GPU = 1, 8


def _predict(predictor: Any, table: pd.DataFrame, classes: int) -> npt.NDArray[np.float32]:
    """Return the probabilities of all images, (n, classes); 0 for a class not trained on."""
    by_class = predictor.predict_proba(table[["image"]], as_pandas=False)
    probabilities = np.zeros((len(table), classes), dtype=np.float32)
    probabilities[:, np.asarray(predictor.class_labels, dtype=int)] = by_class
    return probabilities


def predict_variant(
    tested: str | Path,
    weights: str | Path,
    model: str | Path,
    classes: int,
    target: str | Path,
    threads: int,
) -> None:
    """Test a trained model on images of any variant; write their predictions.

    Args:
        tested: the folder of the shards of the variant whose test images are predicted.
        weights: the pretrained weights that it began from; AutoGluon asks for them again.
        model: the run's model.tar.
        classes: the number of classes.
        target: the predictions.parquet to write.
        threads: processors to use.

    Raises:
        UserError: where a shard or the model is damaged.
    """
    reader = ShardReader(tars_of(tested, "test"))
    with offline_hub(weights), tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        from autogluon.multimodal import MultiModalPredictor

        use_processors(threads)
        folder = Path(scratch) / "predictor"
        unpack_model(model, folder)
        predictor = MultiModalPredictor.load(str(folder))
        table = _unpack(reader, Path(scratch) / "test")
        runs.write_test(target, reader, _predict(predictor, table, classes))


def _unpack(reader: ShardReader, folder: Path) -> pd.DataFrame:
    """Write a split's images into a folder, since AutoGluon reads files; return paths and labels.

    AutoGluon sees neither EXIF orientation nor 16 bits nor what is transparent; the other variants
    were made upright, of 8 bits and opaque, so the originals are here, or the comparison would be
    of something else.
    """
    folder.mkdir()
    paths = []
    for i, key in enumerate(reader.keys):
        path = folder / str(key)  # Pillow tells the format by content
        path.write_bytes(plain(reader.image(i), reader.decoding))
        paths.append(str(path))
    return pd.DataFrame({"image": paths, "label": reader.labels})


@contextmanager
def _watched(predictor: Any, history: Any) -> Iterator[None]:
    """Let a callback see the training; AutoGluon takes none, but asks its learner for its own."""
    learner = predictor._learner
    own = learner.get_callbacks_per_run

    def callbacks(**arguments: Any) -> list[Any]:
        return [*own(**arguments), *([history] if arguments.get("is_train", True) else [])]

    learner.get_callbacks_per_run = callbacks
    try:
        yield
    finally:
        del learner.get_callbacks_per_run  # of the instance: the method is there again
