"""A probe on part of the training images: what another number of images does to accuracy.

Each fold's regression is trained on nested subsets of the other folds' images, the same ones at
every variant, and tested on the fold. The share 1.0 is the probe's runs themselves. It costs no
decoding: the features are there already.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from jpegprep.common.errors import UserError
from jpegprep.common.files import replacing
from jpegprep.common.parquet import write_parquet
from jpegprep.learners.folds import (
    FOLDS,
    Numbers,
    first_images,
    folds_of,
    order_of_subsets,
    places_and_groups,
)
from jpegprep.learners.probe import (
    CHOOSING,
    Features,
    all_features,
    choose_strength,
    predict_one,
    regressions,
    single_threads,
)
from jpegprep.learners.runs import read_predictions
from jpegprep.shards.shards import ShardReader, splits_of


def train_subsets(
    variants: Sequence[str],
    features: Sequence[str | Path],
    predictions: Sequence[str | Path],
    originals: str | Path,
    groups: str | Path,
    recipe: Mapping[str, Any],
    classes: int,
    contiguous: bool,
    seeds: Sequence[int],
    shares: Sequence[float],
    target: str | Path,
    threads: int,
) -> None:
    """Predict every image by regressions that were trained on a share of the other folds' images.

    C is chosen anew for each variant and share, as the probe chooses it: few images want another.

    Args:
        variants: their names.
        features: of each variant, as `extraction.extract_features` writes them.
        predictions: the predictions.parquet of each variant's runs, one a seed, variant by variant.
        originals: the folder of the originals' shards, for keys and labels of the images.
        groups: the file that says which images belong together.
        recipe: the probe's.
        classes: the number of classes.
        contiguous: as of `folds.folds_of`.
        seeds: the probe's: each has folds and subsets of its own.
        shares: of the training images, ascending, 1.0 the last.
        target: the parquet to write, a row a (variant, share, seed, image): these, ``label``,
            ``predicted``, ``group``, and ``trained``, the images that its regression knew.
        threads: processors to use, each for a regression.

    Raises:
        UserError: where a file is damaged, or of other images.
    """
    reader = ShardReader([tar for tars in splits_of(originals).values() for tar in tars])
    labels = reader.labels
    places, group = places_and_groups(groups, reader.keys)
    images = _Images(labels, group, places if contiguous else None, recipe, classes)
    parts = []
    with single_threads(), ThreadPoolExecutor(threads) as pool:
        for i, variant in enumerate(variants):
            arrays = all_features(features[i])
            if len(arrays) != len(labels):
                raise UserError(
                    f"{features[i]}: has {len(arrays)} images, {originals} {len(labels)}; remove "
                    "it: it is made again"
                )
            for share in shares:
                if share < 1:
                    found = images.predict(arrays, share, seeds, pool)
                else:
                    of_variant = predictions[i * len(seeds) : (i + 1) * len(seeds)]
                    found = [_of_run(path, reader) for path in of_variant]
                for seed, (predicted, trained) in zip(seeds, found, strict=True):
                    parts.append(
                        pa.table(
                            {
                                "variant": pa.array([variant] * len(labels)).dictionary_encode(),
                                "share": np.full(len(labels), share),
                                "seed": np.full(len(labels), seed, dtype=np.int64),
                                "label": labels.astype(np.int32),
                                "predicted": predicted.astype(np.int32),
                                "group": group,
                                "trained": trained.astype(np.int32),
                            }
                        )
                    )
                accuracy = np.mean([predicted == labels for predicted, _ in found])
                print(f"{variant}, {share:g} of the images: {accuracy:.4f}")
    with replacing(target) as part:
        write_parquet(pa.concat_tables(parts).unify_dictionaries(), part)


class _Images:
    """The images of a data set, and what is alike for all variants."""

    def __init__(
        self,
        labels: Numbers,
        group: Numbers,
        order: Numbers | None,
        recipe: Mapping[str, Any],
        classes: int,
    ) -> None:
        self._labels, self._group, self._order = labels, group, order
        self._recipe, self._classes = recipe, classes
        self._number = recipe.get("folds", FOLDS)

    def _division(self, seed: int) -> tuple[Numbers, Numbers]:
        fold = folds_of(self._labels, self._group, self._number, seed, self._order)
        return fold, order_of_subsets(self._labels, self._group, seed)

    def predict(
        self, arrays: Features, share: float, seeds: Sequence[int], pool: ThreadPoolExecutor
    ) -> list[tuple[Numbers, Numbers]]:
        """Return of each seed the class predicted of each image, and on how many it was trained."""
        fold, place = self._division(CHOOSING)
        rows = np.append(
            first_images(fold != 0, place, self._group, share), np.flatnonzero(fold == 0)
        )
        strength = choose_strength(
            arrays[rows], self._labels[rows], fold[rows], self._recipe, self._classes
        )

        def of_fold(division: tuple[Numbers, Numbers], k: int) -> tuple[Numbers, int]:
            fold, place = division
            rows = first_images(fold != k, place, self._group, share)
            fitted = regressions(arrays[rows], self._labels[rows], [strength], self._classes)
            return predict_one(next(fitted)[1], arrays[fold == k]).argmax(axis=1), len(rows)

        found = []
        for seed in seeds:
            division = self._division(seed)
            parts = list(
                pool.map(lambda k, division=division: of_fold(division, k), range(self._number))
            )
            predicted, trained = np.empty((2, len(self._labels)), dtype=np.int64)
            for k, (classes, count) in enumerate(parts):
                predicted[division[0] == k], trained[division[0] == k] = classes, count
            found.append((predicted, trained))
        return found


def _of_run(path: str | Path, reader: ShardReader) -> tuple[Numbers, Numbers]:
    """Return what a run of the probe predicts of each image, and on how many it was trained."""
    run = read_predictions(path)
    if run["key"].tolist() != reader.keys.tolist():
        raise UserError(f"{path}: is of other images; remove it: its run is made again")
    fold = run["fold"].to_numpy()
    counts = np.bincount(fold)
    return run["predicted"].to_numpy().astype(np.int64), len(fold) - counts[fold]
