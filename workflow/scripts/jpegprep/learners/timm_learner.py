"""The trainer: fine-tunes one timm model on one variant of one data set, by Lightning.

`fitting` has the epochs; the test set is read once, at the end, with the weights of the best one.
On several GPUs (`gpus` in its recipe) a process for each does the training, see `distributed`; the
test is always one's.
"""

import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import lightning
import numpy as np
import numpy.typing as npt
import torch

from jpegprep.common.cpu import use_processors
from jpegprep.common.layout import SPLITS
from jpegprep.datasets.weights import save_weights, trained_model, untrained_model
from jpegprep.learners import distributed, runs
from jpegprep.learners.complexity import complexity
from jpegprep.learners.data import decoders, loader
from jpegprep.learners.fitting import Classifier, fit, readers_of, trainer_of
from jpegprep.learners.folds import groups_among, parts_of_pair, places_and_groups
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
    checkpoint_seconds: float = 30,
    groups: str | Path | None = None,
) -> None:
    """Fine-tune, predict the test set once by the epoch that the recipe says, write the run.

    Args:
        shards: the tars of the splits ``train``, ``val`` and ``test``.
        weights: pretrained weights as `weights.fetch_weights` writes them.
        recipe: the learner's recipe (described in the study's schema).
        classes: the number of classes.
        about: what run.json says the run is: dataset, variant, learner, seed, code.
        outputs: the paths of ``history``, ``predictions``, ``run`` and ``model``; all appear,
            whole, at the end. Beside them, until then, lies the checkpoint of a run that takes
            longer than `checkpoint_seconds`.
        threads: processors to use.
        terminal: where a bar is drawn, if it is one.
        checkpoint_seconds: at least, between two checkpoints, which are written after epochs.
        groups: the file that says which images belong together. A recipe with ``pairs`` needs it:
            the run is then one of a pair, see `folds.parts_of_pair`; its fold is the remainder of
            its seed by their number.

    Raises:
        UserError: where a shard or the weights are damaged.
    """
    started = time.perf_counter()
    use_processors(threads)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    rows = fold = None
    drawn: dict[str, Any] = {}
    if pairs := recipe.get("pairs"):
        fold = about["seed"] % pairs["folds"]
        every = ShardReader([tar for split in SPLITS for tar in shards[split]])
        _, group = places_and_groups(str(groups), every.keys)
        parts = parts_of_pair(every.labels, group, pairs, fold)
        rows = {name: part.tolist() for name, part in parts.items()}
        others = len(every) * (pairs["folds"] - 1) // pairs["folds"]
        drawn = {"train": {"n": len(parts["train"]), "of": others}}
    readers = readers_of(shards, rows)
    checkpoint = Path(outputs["run"]).with_name(".checkpoint")
    fitting: dict[str, Any] = {
        "shards": {split: list(map(str, tars)) for split, tars in shards.items()},
        "weights": str(weights),
        "recipe": dict(recipe),
        "classes": classes,
        "about": dict(about),
        "checkpoint": str(checkpoint),
        "threads": threads,
        "checkpoint_seconds": checkpoint_seconds,
        "rows": rows,
    }
    processes = recipe.get("gpus", 1)
    if processes == 1:
        fitted = fit(**fitting, terminal=terminal)
    else:
        distributed.check(processes, readers, runs.name_of(about))
        fitted = distributed.fit(fitting, processes, terminal)
    began = time.perf_counter()
    model = Classifier(untrained_model(recipe["architecture"], classes), recipe, steps=0)
    model.load_state_dict(fitted["tested"])
    cost = complexity(model.model, recipe["image_size"])
    gpu = torch.cuda.is_available()
    data = loader(readers["test"], recipe, seed=about["seed"], training=False, **decoders(threads))
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        trainer = trainer_of(recipe, gpu, scratch)
        probabilities = _predict(trainer, model, data)
    predicted = time.perf_counter()
    history = fitted["rows"]
    tested = history[fitted["tested_epoch"] - 1]
    runs.write_run(
        outputs,
        readers,
        history,
        probabilities,
        lambda path: save_weights(model.model.state_dict(), path),
        {
            **about,
            "recipe": dict(recipe),
            "tested_epoch": tested["epoch"],
            "resumed_after_epoch": fitted["resumed_after_epoch"],
            "val_accuracy": tested["val_accuracy"] if len(readers["val"]) else None,
            "precision": trainer.precision,
            "model": cost,
            **drawn,
            "seconds": {
                "setup": round(began - started - fitted["trained"], 2),
                "fit": round(fitted["trained"] + fitted["earlier"], 2),
                "test": round(predicted - began, 2),
            },
            "peak_memory_mib": fitted["peak_memory_mib"],
        },
        threads,
        folds=None if fold is None else np.full(len(readers["test"]), fold),
        groups=groups_among(groups, readers["test"].keys),
    )
    checkpoint.unlink(missing_ok=True)


def _predict(trainer: lightning.Trainer, model: Classifier, data: Any) -> npt.NDArray[np.float32]:
    """Return the probabilities of all images, (n, classes)."""
    return np.concatenate([batch.numpy() for batch in trainer.predict(model, data)])  # type: ignore


def predict_variant(
    tested: str | Path,
    model: str | Path,
    recipe: Mapping[str, Any],
    classes: int,
    target: str | Path,
    threads: int,
) -> None:
    """Test a trained model on images of any variant; write their predictions.

    On the images that its run tested it on, the predictions are the run's.

    Args:
        tested: the folder of the shards of the variant whose test images are predicted.
        model: the run's model.safetensors.
        recipe: the run's.
        classes: the number of classes.
        target: the predictions.parquet to write.
        threads: processors to use.

    Raises:
        UserError: where a shard or the model is damaged.
    """
    gpu = torch.cuda.is_available()
    use_processors(threads)
    warnings.filterwarnings("ignore", ".*does not have many workers.*")
    reader = ShardReader(tars_of(tested, "test"))
    data = loader(reader, recipe, seed=0, training=False, **decoders(threads))
    trained = Classifier(trained_model(recipe["architecture"], model, classes), recipe, steps=0)
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch:
        trainer = trainer_of(recipe, gpu, scratch)
        runs.write_test(target, reader, _predict(trainer, trained, data))
