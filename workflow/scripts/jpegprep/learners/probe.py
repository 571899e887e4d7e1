"""The learner `probe`: logistic regression on the features of a frozen, pretrained network.

The quick look beside fine-tuning: `extraction` computes the features of a variant once, and the
runs of all seeds are made from them in seconds. Every image of the data set is tested, by a
regression that was trained on the other folds (cross-fitting); nothing in it is random, so a seed
divides the images into folds anew, the same ones at every variant. Images that belong together are
in one fold. Seeds are repeats, no independent trainings: what that means for an interval stands in
`evaluation.stats`. On one machine two runs give identical predictions, with any number of threads.
"""

import hashlib
import json
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from jpegprep.common.errors import UserError
from jpegprep.common.layout import ORIGINAL, SPLITS
from jpegprep.learners import runs
from jpegprep.learners.folds import FOLDS, folds_of, places_and_groups
from jpegprep.shards.shards import ShardReader, splits_of

Features = npt.NDArray[np.float32]  # (n, d), one row an image
Labels = npt.NDArray[np.int64]
# The arrays of a model.npz, of a regression a fold: float32 ``mean`` and ``scale`` (folds, d),
# ``coefficients`` (folds, classes, d) and ``intercept`` (folds, classes), -inf for a class that was
# not trained on; int64 ``fold`` (n,), which of them tests each image.
Model = dict[str, npt.NDArray[Any]]
# Of the SHA-256 of features: C, and of each seed its regressions.
Known = dict[bytes, tuple[float, dict[int, Model]]]


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
    """Return the probabilities of all images by a run's regressions, (n, classes) float32.

    Each image's is that of the other folds. On the features of its own variant they are the run's
    predictions, bit by bit.

    Args:
        model: a run's model.npz.
        features: (n, d) float32, of all images in the order of the run, of any variant.

    Raises:
        UserError: where the model is damaged, or of other images.
    """
    found = _read(model, ("mean", "scale", "coefficients", "intercept", "fold"))
    if len(found["fold"]) != len(features):
        raise UserError(
            f"{model}: is of {len(found['fold'])} images, not of {len(features)}; remove it: it is "
            "made again"
        )
    return predict_folds(found, features)


def predict_variant(
    tested: str | Path, features: str | Path, model: str | Path, target: str | Path
) -> None:
    """Test a run's regressions on images of any variant; write their predictions.

    Every image of the data set is tested, by the regression of the other folds.

    Args:
        tested: the folder of the shards of the variant, for keys and labels of the images.
        features: of the variant, as `extraction.extract_features` writes them.
        model: the run's model.npz.
        target: the predictions.parquet to write.

    Raises:
        UserError: where a file is damaged, or of other images.
    """
    reader = ShardReader([tar for tars in splits_of(tested).values() for tar in tars])
    images, fold = all_features(features), _read(model, ["fold"])["fold"]
    if len(images) != len(reader):
        raise UserError(
            f"{features}: has {len(images)} images, {tested} {len(reader)}; remove it: it is made "
            "again"
        )
    runs.write_test(target, reader, predict_features(model, images), fold)


def train(
    features: str | Path,
    shards: Mapping[str, Sequence[str | Path]],
    groups: str | Path,
    recipe: Mapping[str, Any],
    classes: int,
    about: Mapping[str, Any],
    seeds: Sequence[int],
    outputs: Mapping[str, Sequence[str | Path]],
    threads: int,
    contiguous: bool = False,
    known: Known | None = None,
) -> Iterator[dict[str, Any]]:
    """Choose C, train a regression a fold, predict every image once, write the run; for each seed.

    C is chosen once, for all seeds: the one whose regression predicts a fold with the least
    cross-entropy. There are no epochs: the history is empty.

    Args:
        features: of the variant, as `extraction.extract_features` writes them.
        shards: the tars of ``train``, ``val`` and ``test``, whose indexes have keys and labels.
        groups: the file that says which images belong together, in the manifest's order.
        recipe: the learner's; ``regularization`` lists the C to choose from, ``folds`` is their
            number, if it has one.
        classes: the number of classes.
        about: what run.json says the runs are: dataset, variant, learner, code.
        seeds: of the runs.
        outputs: the paths of ``history``, ``predictions``, ``run`` and ``model``, one a seed, in
            the same order.
        threads: processors to use, each for a regression.
        contiguous: neighbours in the manifest's order are alike, see `folds_of`.
        known: the originals' regressions; where `about` is of the originals, they are added to it.
            Of equal features they are the same, and are not fitted again.

    Yields:
        What each run is, with its seed, when its files are there.

    Raises:
        UserError: where the features or an index are damaged.
    """
    started = time.perf_counter()
    arrays, extraction = all_features(features), load_record(features)
    readers = {split: ShardReader(tars) for split, tars in shards.items()}
    readers["test"] = ShardReader([tar for split in SPLITS for tar in shards[split]])
    labels = readers["test"].labels
    places, group = places_and_groups(groups, readers["test"].keys)
    order = places if contiguous else None
    number = recipe.get("folds", FOLDS)
    digest = hashlib.sha256(arrays.tobytes()).digest()
    found = {} if known is None else known
    setup = time.perf_counter() - started
    with single_threads(), ThreadPoolExecutor(threads) as pool:
        if digest not in found:
            choosing = folds_of(labels, group, number, _CHOOSING, order)
            strength = _choose(arrays, labels, choosing, recipe, classes)
            if about["variant"] != ORIGINAL:
                found = {}
            found[digest] = (strength, {})
        strength, fitted = found[digest]
        chosen = time.perf_counter()
        for i, seed in enumerate(seeds):
            begun = time.perf_counter()
            fold = folds_of(labels, group, number, seed, order)

            def of_fold(k: int, fold: Labels = fold) -> Model:
                drawn = fold != k
                return next(regressions(arrays[drawn], labels[drawn], [strength], classes))[1]

            if seed not in fitted:
                parts = list(pool.map(of_fold, range(number)))
                fitted[seed] = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
            model = {**fitted[seed], "fold": fold}
            trained = time.perf_counter()
            probabilities = predict_folds(model, arrays)
            predicted = time.perf_counter()
            run = {**about, "seed": seed}
            runs.write_run(
                {name: paths[i] for name, paths in outputs.items()},
                readers,
                [],
                probabilities,
                partial(_save, model),
                {
                    **run,
                    "recipe": dict(recipe),
                    "features": arrays.shape[1],
                    "folds": number,
                    "C": strength,
                    "tested_epoch": None,
                    "val_accuracy": None,
                    "precision": extraction["precision"],
                    "extraction": extraction,
                    "seconds": {
                        "setup": round(setup, 2),
                        "fit": round(
                            trained - begun + (chosen - started - setup if not i else 0), 2
                        ),
                        "test": round(predicted - trained, 2),
                    },
                },
                threads,
                gpu=False,
                folds=fold,
                groups=group,
            )
            yield run


def train_variants(
    variants: Sequence[str],
    features: Sequence[str | Path],
    shards: Sequence[str | Path],
    outputs: Mapping[str, Sequence[str | Path]],
    about: Mapping[str, Any],
    seeds: Sequence[int],
    threads: int,
    **others: Any,
) -> Iterator[dict[str, Any]]:
    """Train as `train` on several variants: on the original first, then on the others at a time.

    Args:
        variants: their names.
        features: of each.
        shards: the folder of each.
        outputs: as of `train`, of each variant one after the other.
        about: as of `train`, but for the variant.
        seeds: as of `train`.
        threads: processors to use.
        others: as of `train`.

    Yields:
        What each run is, with its seed.

    Raises:
        UserError: where the features or an index are damaged.
    """
    known: Known = {}

    def of_variant(i: int, threads: int) -> Iterator[dict[str, Any]]:
        of_it = slice(i * len(seeds), (i + 1) * len(seeds))
        return train(
            features[i],
            splits_of(shards[i]),
            about={**about, "variant": variants[i]},
            seeds=seeds,
            outputs={name: paths[of_it] for name, paths in outputs.items()},
            threads=threads,
            known=known,
            **others,
        )

    compressed = [i for i, variant in enumerate(variants) if variant != ORIGINAL]
    if ORIGINAL in variants:
        yield from of_variant(variants.index(ORIGINAL), threads)
    if len(compressed) == 1:
        yield from of_variant(compressed[0], threads)
        return
    with single_threads(), ThreadPoolExecutor(threads) as pool:
        for runs_of_it in pool.map(lambda i: list(of_variant(i, 1)), compressed):
            yield from runs_of_it


_CHOOSING = 2**32  # the seed of the folds on which C is chosen: no run's


def all_features(path: str | Path) -> Features:
    """Return the features of all images, (n, d): those of ``train``, then ``val``, then ``test``.

    Raises:
        UserError: where the file is damaged.
    """
    found = load_features(path)
    return np.concatenate([found[split] for split in SPLITS])


@contextmanager
def single_threads() -> Iterator[None]:
    """Compute each regression in one thread.

    It has thousands of small products of matrices. Threads that share them wait for each other, on
    a busy machine for minutes, and sum in another order.
    """
    import sklearn.linear_model  # noqa: F401  only libraries that are loaded are limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


def _choose(
    features: Features, labels: Labels, fold: Labels, recipe: Mapping[str, Any], classes: int
) -> float:
    """Return the first C, ascending, with the least cross-entropy on fold 0."""
    strengths = sorted(recipe["regularization"])
    if len(strengths) == 1:
        return float(strengths[0])
    drawn, tested = fold != 0, fold == 0

    def loss(model: Model) -> float:
        found = predict_one(model, features[tested])[np.arange(tested.sum()), labels[tested]]
        return float(-np.log(np.maximum(found, 1e-12)).mean())

    models = regressions(features[drawn], labels[drawn], strengths, classes)
    return min(((loss(model), strength) for strength, model in models), key=lambda x: x[0])[1]


def regressions(
    features: Features, labels: Labels, strengths: Sequence[float], classes: int
) -> Iterator[tuple[float, Model]]:
    """Yield C and its regression, in their order; each begins where the one before ended.

    Args:
        features: (n, d) of the training images.
        labels: (n,).
        strengths: inverse strengths of regularization, C.
        classes: the number of classes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features)  # the scale of a constant is 1
    mean, scale = scaler.mean_.astype(np.float32), scaler.scale_.astype(np.float32)
    standardized = _standardize(features, mean, scale)
    known = np.unique(labels)
    # Of two classes scikit-learn models the second one's logit alone; the first one's is 0.
    rows = known if len(known) > 2 else known[1:]
    # With scikit-learn's own tolerance, 1e-4, the solver stops so early that half a point of
    # accuracy depends on where it began.
    regression = LogisticRegression(tol=1e-5, max_iter=1000, warm_start=True)
    for strength in strengths:
        coefficients = np.zeros((classes, features.shape[1]), dtype=np.float32)
        intercept = np.full(classes, -np.inf, dtype=np.float32)
        intercept[known] = 0
        if len(known) > 1:
            regression.set_params(C=strength).fit(standardized, labels)
            coefficients[rows], intercept[rows] = regression.coef_, regression.intercept_
        names = ("mean", "scale", "coefficients", "intercept")
        yield strength, dict(zip(names, (mean, scale, coefficients, intercept), strict=True))


def _standardize(features: Features, mean: Features, scale: Features) -> Features:
    standardized = features - mean
    standardized /= scale
    return standardized


def predict_folds(model: Model, features: Features) -> Features:
    """Return the probabilities of each image by the regression of its fold."""
    found = np.empty((len(features), model["intercept"].shape[1]), dtype=np.float32)
    for k in range(len(model["intercept"])):
        of_fold = {name: model[name][k] for name in ("mean", "scale", "coefficients", "intercept")}
        rows = model["fold"] == k
        found[rows] = predict_one(of_fold, features[rows])
    return found


def predict_one(model: Model, features: Features) -> Features:
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
