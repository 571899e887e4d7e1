"""The learner `probe`: logistic regression on the features of a frozen, pretrained network.

The quick look beside fine-tuning: `extraction` computes the features of a variant once, and the
runs of all seeds are made from them in seconds. Nothing in it is random, so a seed draws the
training images: of each class as many as there are, with replacement (a stratified bootstrap; B.
Efron, Annals of Statistics 7, 1979), the same ones at every variant. The runs of a probe vary as if
the training set had been drawn anew, those of a fine-tuned network as if it had been trained anew
on the same images. This is our choice. On one machine two runs give identical predictions, with any
number of threads.
"""

import json
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jpegprep.common.errors import UserError
from jpegprep.common.layout import SPLITS
from jpegprep.learners import runs
from jpegprep.shards.shards import ShardReader

Features = npt.NDArray[np.float32]  # (n, d), one row an image
Labels = npt.NDArray[np.int64]
# The arrays of a model.npz: float32 ``mean`` and ``scale`` (d,), ``coefficients`` (classes, d) and
# ``intercept`` (classes,), -inf for a class that was not trained on; int64 ``classes``, those that
# were.
Model = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _Fit:
    """What validation chose for a seed.

    Attributes:
        val_accuracy: top-1.
        strength: C.
        model: trained with it.
        seconds: what trying all C took.
    """

    val_accuracy: float
    strength: float
    model: Model
    seconds: float


def load_features(path: str | Path) -> dict[str, Features]:
    """Return the features of ``train``, ``val`` and ``test``, (n, d) float32 in shard order.

    Args:
        path: a file of `extraction.extract_features`.

    Raises:
        UserError: where it is damaged.
    """
    return _read(path, SPLITS)


def load_record(path: str | Path) -> dict[str, Any]:
    """Return how a file of features was made: on what, in which precision, in how many seconds.

    Raises:
        UserError: where the file is damaged.
    """
    record: dict[str, Any] = json.loads(str(_read(path, ["record"])["record"]))
    return record


def predict_features(model: str | Path, features: Features) -> Features:
    """Return the probabilities of a trained probe, (n, classes) float32.

    On the test images of its run they are the run's predictions, bit by bit.

    Args:
        model: a run's model.npz.
        features: (n, d) float32, of images of any variant by the same network.

    Raises:
        UserError: where the model is damaged.
    """
    names = ("mean", "scale", "coefficients", "intercept")
    return _predict(_read(model, names), features)


def train(
    features: str | Path,
    shards: Mapping[str, Sequence[str | Path]],
    recipe: Mapping[str, Any],
    classes: int,
    about: Mapping[str, Any],
    seeds: Sequence[int],
    outputs: Mapping[str, Sequence[str | Path]],
    threads: int,
) -> Iterator[dict[str, Any]]:
    """Train, choose C on validation, predict the test set once, write the run; for each seed.

    There are no epochs: the history is empty.

    Args:
        features: of the variant, as `extraction.extract_features` writes them.
        shards: the tars of ``train``, ``val`` and ``test``, whose indexes have keys and labels.
        recipe: the learner's; ``regularization`` lists the C to choose from.
        classes: the number of classes.
        about: what run.json says the runs are: dataset, variant, learner, code.
        seeds: of the runs.
        outputs: the paths of ``history``, ``predictions``, ``run`` and ``model``, one a seed, in
            the same order.
        threads: processors to use, each for a seed.

    Yields:
        What each run is, with its seed, when its files are there.

    Raises:
        UserError: where the features or an index are damaged.
    """
    started = time.perf_counter()
    arrays, extraction = load_features(features), load_record(features)
    readers = {split: ShardReader(tars) for split, tars in shards.items()}
    labels = {split: reader.labels for split, reader in readers.items()}
    setup = time.perf_counter() - started
    fits = _fit_seeds(arrays, labels, recipe["regularization"], classes, seeds, threads)
    for i, (seed, fit) in enumerate(zip(seeds, fits, strict=True)):
        run = {**about, "seed": seed}
        begun = time.perf_counter()
        probabilities = _predict(fit.model, arrays["test"])
        predicted = time.perf_counter()
        runs.write_run(
            {name: paths[i] for name, paths in outputs.items()},
            readers,
            [],
            probabilities,
            partial(_save, fit.model),
            {
                **run,
                "recipe": dict(recipe),
                "features": arrays["test"].shape[1],
                "C": fit.strength,
                "tested_epoch": None,
                "val_accuracy": fit.val_accuracy,
                "precision": extraction["precision"],
                "extraction": extraction,
                "seconds": {
                    "setup": round(setup, 2),
                    "fit": round(fit.seconds, 2),
                    "test": round(predicted - begun, 2),
                },
            },
            threads,
            gpu=False,
        )
        yield run


def bootstrap_counts(labels: Labels, seed: int) -> Labels:
    """Return how often a seed draws each training image: a bootstrap inside each class.

    Args:
        labels: (n,) of the training images.
        seed: the run's.

    Returns:
        (n,) counts, which sum over each class to its number of images.
    """
    rng = np.random.default_rng(seed)
    counts = np.zeros(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        images = np.flatnonzero(labels == label)
        drawn = rng.choice(images, size=len(images))
        counts += np.bincount(drawn, minlength=len(labels))
    return counts


def _fit_seeds(
    arrays: Mapping[str, Features],
    labels: Mapping[str, Labels],
    strengths: Sequence[float],
    classes: int,
    seeds: Sequence[int],
    threads: int,
) -> list[_Fit]:
    """Return the fit of each seed; each in one thread.

    A regression has thousands of small products of matrices. Threads that share them wait for each
    other, on a busy machine for minutes, and sum in another order.
    """
    import sklearn.linear_model  # noqa: F401  only libraries that are loaded are limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1), ThreadPoolExecutor(threads) as pool:
        return list(
            pool.map(lambda seed: _fit_seed(arrays, labels, strengths, classes, seed), seeds)
        )


def _fit_seed(
    arrays: Mapping[str, Features],
    labels: Mapping[str, Labels],
    strengths: Sequence[float],
    classes: int,
    seed: int,
) -> _Fit:
    """Return the first best on validation of all C, ascending.

    An image that was drawn k times is one of weight k: the same model, at two thirds of the cost.
    """
    started = time.perf_counter()
    counts = bootstrap_counts(labels["train"], seed)
    drawn = counts > 0
    train, weights = arrays["train"][drawn], counts[drawn].astype(np.float32)
    models = _models(train, labels["train"][drawn], weights, strengths, classes)
    accuracy, strength, model = max(
        (
            (_accuracy(model, arrays["val"], labels["val"]), strength, model)
            for strength, model in models
        ),
        key=lambda candidate: candidate[0],
    )
    return _Fit(accuracy, strength, model, time.perf_counter() - started)


def _models(
    features: Features,
    labels: Labels,
    weights: Features,
    strengths: Sequence[float],
    classes: int,
) -> Iterator[tuple[float, Model]]:
    """Yield C and its model, ascending; each begins where the one before ended.

    Args:
        features: (n, d) of the training images.
        labels: (n,), of two classes or more.
        weights: (n,) of the images.
        strengths: inverse strengths of regularization, C.
        classes: the number of classes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features, sample_weight=weights)  # the scale of a constant is 1
    mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
    standardized = _standardize(features, mean, scale)
    known = np.unique(labels)
    # Of two classes scikit-learn models the second one's logit alone; the first one's is 0.
    rows = known if len(known) > 2 else known[1:]
    # With scikit-learn's own tolerance, 1e-4, the solver stops so early that half a point of
    # accuracy depends on where it began.
    regression = LogisticRegression(tol=1e-5, max_iter=1000, warm_start=True)
    for strength in sorted(strengths):
        regression.set_params(C=strength).fit(standardized, labels, sample_weight=weights)
        coefficients = np.zeros((classes, features.shape[1]), dtype=np.float32)
        intercept = np.full(classes, -np.inf, dtype=np.float32)
        intercept[known] = 0
        coefficients[rows], intercept[rows] = regression.coef_, regression.intercept_
        yield (
            strength,
            {
                "mean": mean,
                "scale": scale,
                "coefficients": coefficients,
                "intercept": intercept,
                "classes": known,
            },
        )


def _standardize(features: Features, mean: Features, scale: Features) -> Features:
    standardized = features - mean
    standardized /= scale
    return standardized


def _predict(model: Model, features: Features) -> Features:
    """Return the softmax of the logits, in one thread: more would sum in another order."""
    from threadpoolctl import threadpool_limits

    standardized = _standardize(features, model["mean"], model["scale"])
    with threadpool_limits(1):
        logits = standardized @ model["coefficients"].T
    logits += model["intercept"]
    logits -= logits.max(axis=1, keepdims=True)
    probabilities = np.exp(logits)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def _accuracy(model: Model, features: Features, labels: Labels) -> float:
    return float((_predict(model, features).argmax(axis=1) == labels).mean())


def _save(model: Model, path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **model)  # type: ignore[arg-type]


def _read(path: str | Path, names: Sequence[str]) -> dict[str, npt.NDArray[Any]]:
    """Return arrays of an npz.

    Raises:
        UserError: where they are not there whole.
    """
    try:
        with np.load(path) as file:
            return {name: file[name] for name in names}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: damaged ({error}); remove it: it is made again") from None
