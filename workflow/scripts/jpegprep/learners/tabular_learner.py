"""The learner `autogluon_tabular`: AutoGluon Tabular on features of the image files.

The counterpart of the networks in the paper's comparison with tabular classifiers: it sees what the
files store or a few pixels (`features`), not the images. AutoGluon trains the models of the recipe,
weighs them by their predictions of the validation set, and the best there (mostly the weighted
ensemble) is the run's. For one seed, one machine and one number of threads, two runs give identical
predictions. Beside it stand the predictions of a few controls (`controls`).
"""

import os
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pandas as pd

from jpegprep.common.files import replacing
from jpegprep.learners import runs
from jpegprep.learners.controls import controls, write_controls
from jpegprep.learners.features import feature_names, feature_table
from jpegprep.learners.folds import groups_among
from jpegprep.learners.model_tars import pack_model
from jpegprep.shards.shards import ShardReader

# Gigabytes that AutoGluon believes to have. By what is free it leaves out models and trees, so that
# results would depend on the machine; one that is short of memory had better say so.
_MEMORY = 1e6
# The kinds of features that the trees of the controls see.
_CONTROLS = {"dequantized": "dct", "undequantized": "dct_stored", "encoder": "encoder"}


def train(
    shards: Mapping[str, Sequence[str | Path]],
    recipe: Mapping[str, Any],
    classes: int,
    about: Mapping[str, Any],
    outputs: Mapping[str, str | Path],
    threads: int,
    terminal: TextIO | None = None,
    groups: str | Path | None = None,
) -> None:
    """Fit, predict the test set once, write the run.

    The arguments are those of `timm_learner.train`, without weights; ``model`` becomes a tar of
    AutoGluon's folder with the model that predicted. There are no epochs: the history is empty.

    Args:
        shards: the tars of the splits ``train``, ``val`` and ``test``.
        recipe: ``features`` (kinds of `features.feature_names`), ``pixels_side`` (their ``side``),
            ``hyperparameters`` (AutoGluon's: models and their parameters; empty: its default).
        classes: the number of classes.
        about: what run.json says the run is: dataset, variant, learner, seed, code.
        outputs: the paths of ``history``, ``predictions``, ``run``, ``model`` and ``controls``.
        threads: processors to use.
        terminal: where a line says what is being done, if it is one.
        groups: the file that says which images belong together.

    Raises:
        UserError: where a shard is damaged.
    """
    started = time.perf_counter()
    readers = {split: ShardReader(tars) for split, tars in shards.items()}
    kinds, side = recipe["features"], recipe["pixels_side"]
    read = list(dict.fromkeys([*kinds, *_CONTROLS.values()]))
    features = {
        split: feature_table(reader, read, side, threads) for split, reader in readers.items()
    }
    columns = feature_names(kinds, side)
    group = groups_among(groups, readers["test"].keys)
    tables = {split: table[columns] for split, table in features.items()}
    with tempfile.TemporaryDirectory(prefix="jpegprep-") as scratch, _processors(threads):
        from autogluon.tabular import TabularPredictor

        folder = Path(scratch) / "predictor"
        predictor = TabularPredictor(
            label="label",
            problem_type="multiclass",
            eval_metric="accuracy",
            path=str(folder),
            # By default classes of fewer than ten images are left out.
            learner_kwargs={"label_count_threshold": 1},
        )
        ready = time.perf_counter()
        if terminal is not None and terminal.isatty():
            print(f"{runs.name_of(about)}: {len(columns)} features, fitting …", file=terminal)
        with _seed(about["seed"]):
            predictor.fit(
                tables["train"].assign(label=readers["train"].labels),
                tuning_data=_known(tables["val"], readers),
                hyperparameters=recipe["hyperparameters"] or "default",
                num_cpus=threads,
                num_gpus=0,
                memory_limit=_MEMORY,
                keep_only_best=True,
                save_space=True,
            )
        fitted = time.perf_counter()
        # Threads would add the votes of a forest's trees in the order in which they come.
        with _processors(1):
            val = _predict(predictor, tables["val"], classes)
            begun = time.perf_counter()
            probabilities = _predict(predictor, tables["test"], classes)
        predicted = time.perf_counter()
        of_controls = {
            split: {name: table[feature_names([kind], side)] for name, kind in _CONTROLS.items()}
            for split, table in features.items()
        }
        beside = controls(
            of_controls["train"],
            readers["train"].labels,
            of_controls["test"],
            about["seed"],
            threads,
        )
        controlled = time.perf_counter()
        with replacing(outputs["controls"]) as part:
            write_controls(part, readers["test"].keys, readers["test"].labels, beside, group)
            runs.write_run(
                outputs,
                readers,
                [],
                probabilities,
                lambda path: pack_model(folder, path),
                {
                    **about,
                    "recipe": dict(recipe),
                    "features": len(columns),
                    "best_model": predictor.model_best,
                    "tested_epoch": None,
                    "val_accuracy": float((val.argmax(1) == readers["val"].labels).mean()),
                    "precision": "32-true",
                    "seconds": {
                        "setup": round(ready - started, 2),
                        "fit": round(fitted - ready, 2),
                        "test": round(predicted - begun, 2),
                        "controls": round(controlled - predicted, 2),
                    },
                },
                threads,
                gpu=False,
                groups=group,
            )


def _known(table: pd.DataFrame, readers: Mapping[str, ShardReader]) -> pd.DataFrame:
    """Return the validation table with its labels, without classes that are not trained on."""
    labels = readers["val"].labels
    known = np.isin(labels, readers["train"].labels)
    return table.assign(label=labels)[known]


def _predict(predictor: Any, table: pd.DataFrame, classes: int) -> npt.NDArray[np.float32]:
    """Return the probabilities of all images, (n, classes); 0 for a class not trained on."""
    by_class = predictor.predict_proba(table, as_pandas=False)
    probabilities = np.zeros((len(table), classes), dtype=np.float32)
    probabilities[:, np.asarray(predictor.class_labels, dtype=int)] = by_class
    return probabilities


@contextmanager
def _processors(count: int) -> Iterator[None]:
    """Let scikit-learn use `count` processors: AutoGluon's forests ask it for all there are."""
    name = "LOKY_MAX_CPU_COUNT"  # heeded by joblib, whatever its backend
    before = os.environ.get(name)
    os.environ[name] = str(count)
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _seed(seed: int) -> Iterator[None]:
    """Give every model the run's seed; `fit` takes none, each model has the class's default."""
    from autogluon.core.models import AbstractModel

    before = AbstractModel.default_random_seed
    AbstractModel.default_random_seed = seed
    try:
        yield
    finally:
        AbstractModel.default_random_seed = before
