"""How often the recommendation is right: its whole chain, on studies whose truth is known.

A model is right on an image where its score is above 0: a sum of a level, of how easy the image is,
of what compression does to it, and of what training and the single answer deviate by. All parts are
normal, so that expected accuracies are exact. The change of an image is a walk along the ratios: an
image that is hit at one is hit at all smaller ones. What is decided of the answers is decided by
the functions that decide in a real study.

How much the training images of a cross-fitted probe matter is put into the chain, and cannot be
found by it: `crossfitted_coverage` measures it on real regressions.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import multivariate_normal, norm

from jpegprep.answers.proposal import propose
from jpegprep.answers.verdicts import (
    CANNOT_TELL,
    LEAST_PAIRS,
    LEAVE,
    LOSES,
    NOT_SHOWN,
    USE,
    USE_PROBE,
    verdict,
)
from jpegprep.common.table_files import write_table
from jpegprep.evaluation.stats import (
    Correct,
    Difference,
    accuracy_interval,
    difference_interval,
    pairs_difference,
    power,
)
from jpegprep.images.variants import ORIGINAL
from jpegprep.learners.probe import (
    FOLDS,
    Features,
    Labels,
    _models,
    _predict,
    _predict_one,
    _single_threads,
    folds_of,
)
from jpegprep.learners.runs import write_predictions

Numbers = npt.NDArray[np.float64]

RATIOS = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
VERDICTS = [USE, USE_PROBE, NOT_SHOWN, LOSES, LEAVE, CANNOT_TELL]
_REPEATS = 4  # of the probe
_CLASS_MARGIN, _LEAST_SAVING = 0.1, 0.05
_CLASSES = 10

# Standard deviations of a score's parts: how easy an image is, what a step of the ratio changes, a
# repeat of the probe, its single answer, and a network's.
_EASE, _STEP, _REPEAT, _ANSWER, _NETWORK = 2.5, 0.2, 0.5, 0.3, 1.0
_OF_REPEAT = 0.5  # a repeat's deviation of training, of that of all repeats


@dataclass(frozen=True)
class Cell:
    """Simulated studies of one kind.

    Attributes:
        truth: its name.
        images: of the folder; the probe is tested on all, each pair of networks on a fifth.
        accuracy: on the originals, in truth.
        margin: the loss of accuracy that is accepted, a fraction.
        probe: the probe's true loss at each of `RATIOS`, in margins.
        networks: likewise the networks'.
        seed: the standard deviation of a network's accuracy by its training, about.
        factor: the variance of a cross-fitted difference over that of its images alone, about.
        alike: the correlation of probe and networks in what is easy and what changes.
        burst: images that share their answers come in groups of so many, a group in one fold.
        rare: the images of a class that is lost entirely.
        rare_from: the largest ratio at which it is.
        chance: the share of the largest class.
        share: of the number of studies that is asked for.
    """

    truth: str
    images: int
    accuracy: float
    margin: float
    probe: tuple[float, ...]
    networks: tuple[float, ...]
    seed: float = 0.005
    factor: float = 1.3
    alike: float = 0.8
    burst: int = 1
    rare: int = 0
    rare_from: float = 0.0
    chance: float = 0.1
    share: float = 1.0


_AT, _HARMLESS, _TWICE = (1.0,) * 9, (0.0,) * 9, (2.0,) * 9
_FROM_FIFTH = (0.0,) * 4 + (1.0,) * 5
_DOUBLING = tuple(2.0 ** (k - 4.5) for k in range(9))


def _cell(truth: str, losses: tuple[float, ...], images: int, accuracy: float = 0.9) -> Cell:
    margin = {100: 0.05, 713: 0.02}.get(images, 0.01)
    return Cell(truth, images, accuracy, margin, losses, losses)


def _cells() -> list[Cell]:
    at = _cell("at the margin", _AT, 3670)
    harmless = replace(_cell("harmless", _HARMLESS, 3670), share=0.3)
    rare = replace(harmless, images=5000, rare=25, share=0.1)
    sizes = (713, 3670, 20_000)
    cells = [_cell(at.truth, _AT, 100, accuracy) for accuracy in (0.6, 0.9, 0.99)]
    cells += [_cell(at.truth, _AT, 713, accuracy) for accuracy in (0.9, 0.99)]
    cells += [_cell(at.truth, _AT, 3670, accuracy) for accuracy in (0.6, 0.9, 0.99)]
    cells += [replace(_cell(at.truth, _AT, 20_000), share=0.5)]
    cells += [replace(at, seed=seed, share=0.5) for seed in (0.0, 0.01, 0.02)]
    cells += [
        replace(at, truth=f"at the margin; variance x {factor}", factor=factor)
        for factor in (1.1, 1.6)
    ]
    cells += [
        replace(at, truth=f"at the margin; networks as on {words} images", alike=alike, seed=0.0)
        for words, alike in (("the probe's", 1.0), ("other", 0.0))
    ]
    for words, losses in (("four harmless, then at the margin", _FROM_FIFTH),):
        cells += [replace(_cell(words, losses, n), share=0.5) for n in sizes]
        cells += [replace(_cell(words, losses, 3670, 0.99), share=0.5)]
    cells += [replace(_cell("harmless", _HARMLESS, n), share=0.3) for n in (100, 713, 20_000)]
    cells += [replace(harmless, seed=seed) for seed in (0.0, 0.005, 0.01, 0.02)]
    cells += [replace(harmless, accuracy=accuracy) for accuracy in (0.6, 0.99)]
    for words, losses in (("twice the margin", _TWICE), ("doubling", _DOUBLING)):
        cells += [replace(_cell(words, losses, n), share=0.3) for n in sizes]
    cells += [
        replace(harmless, truth=f"probe harmless, networks {words}", networks=losses, seed=seed)
        for words, losses in (("at the margin", _AT), ("twice the margin", _TWICE))
        for seed in (0.0, 0.005, 0.02)
    ]
    cells += [replace(harmless, truth="probe twice the margin, networks harmless", probe=_TWICE)]
    cells += [
        replace(one, truth=f"{one.truth}; bursts of five", burst=5, share=0.3)
        for one in (at, harmless)
    ]
    cells += [
        replace(rare, truth=f"a class lost from {ratio} down", rare_from=ratio)
        for ratio in (0.9, 0.5)
    ]
    cells += [
        replace(harmless, truth="random labels", accuracy=chance, chance=chance, share=0.1)
        for chance in (0.5, 0.95)
    ]
    return cells


CELLS = _cells()


@dataclass(frozen=True)
class _Side:
    """The truth of the probe, or of the networks, of a cell.

    Attributes:
        levels: (10,) of the score, the originals first.
        deviations: (10,) standard deviations of a score by the training images: of the originals,
            and what each ratio adds to it.
        seed: the standard deviation of a score by the training of one network.
        loss: (9,) of accuracy.
        harms: (9,) whether it is the margin or more, or that of a class.
    """

    levels: Numbers
    deviations: Numbers
    seed: float
    loss: Numbers
    harms: Correct


def _sides(cell: Cell) -> tuple[_Side, _Side]:
    """Return the probe and the networks of a cell."""
    lost = np.array(RATIOS) <= cell.rare_from

    def side(losses: Sequence[float], repeat: float, answer: float, repeats: int) -> _Side:
        loss = np.array(losses) * cell.margin
        quantiles = norm.ppf(cell.accuracy - np.array([0.0, *loss]))
        total = _EASE**2 + np.arange(len(quantiles)) * _STEP**2 + repeat + answer
        slopes = norm.pdf(quantiles) / np.sqrt(total)
        variances = _image_variances(quantiles, repeat, answer, repeats)
        deviations = np.sqrt((cell.factor - 1) * variances * cell.burst / cell.images) / slopes
        seed = 0.0
        if repeats == 1:
            deviations[0], seed = 0.0, cell.seed / slopes[0]
        total += deviations[0] ** 2 + seed**2
        total[1:] += deviations[1:] ** 2 * (1 + (_OF_REPEAT**2 if repeats > 1 else 0))
        loss += lost * cell.rare / cell.images * cell.accuracy
        harms = (loss > cell.margin - 1e-9) | lost
        return _Side(quantiles * np.sqrt(total), deviations, seed, loss, harms)

    probe = side(cell.probe, _REPEAT**2, _ANSWER**2, _REPEATS)
    return probe, side(cell.networks, 0.0, _NETWORK**2, 1)


def _image_variances(quantiles: Numbers, repeat: float, answer: float, repeats: int) -> Numbers:
    """Return the variance between images of a mean over repeats.

    Args:
        quantiles: (10,) normal quantiles of the accuracies, the originals first.
        repeat: the variance of a score by its repeat.
        answer: the variance of a score by its single answer.
        repeats: how many.

    Returns:
        (10,): of the answers to the originals, and of the differences from them.
    """
    accuracy, common = norm.cdf(quantiles), _EASE**2 + np.arange(len(quantiles)) * _STEP**2

    def both(one: int, other: int, shared: float) -> float:
        """Return how often two answers to an image are right."""
        scale = sqrt((common[one] + repeat + answer) * (common[other] + repeat + answer))
        correlation = (common[min(one, other)] + shared) / scale
        bounds, matrix = quantiles[[one, other]], [[1, correlation], [correlation, 1]]
        return float(multivariate_normal.cdf(bounds, cov=matrix))

    def mean(same: float, apart: float) -> float:
        return (same + (repeats - 1) * apart) / repeats

    found = [mean(accuracy[0], both(0, 0, 0.0)) - accuracy[0] ** 2]
    for k in range(1, len(quantiles)):
        same = accuracy[k] + accuracy[0] - 2 * both(k, 0, repeat)
        apart = both(k, k, 0.0) + both(0, 0, 0.0) - 2 * both(k, 0, 0.0)
        found.append(mean(same, apart) - (accuracy[k] - accuracy[0]) ** 2)
    return np.array(found)


class _Study:
    """One simulated study: a folder of images, and what is trained on it."""

    def __init__(self, cell: Cell, sides: tuple[_Side, _Side], rng: np.random.Generator) -> None:
        """Draw the images, and what the probe and the networks make of them."""
        self._cell, (self._probe, self._networks), self._rng = cell, sides, rng
        self._groups = cell.images // cell.burst
        images = self._images()
        rest = sqrt(1 - cell.alike**2)
        self._of_networks = cell.alike * images + np.float32(rest) * self._images()
        self._of_networks += self._trained(self._networks)
        self.probe = self._tested(images)
        self._originals = self._pairs(0)

    def _normal(self, scale: float, *shape: int) -> npt.NDArray[np.float32]:
        return np.float32(scale) * self._rng.standard_normal(shape, dtype=np.float32)

    def _images(self) -> npt.NDArray[np.float32]:
        """Return the scores of images without a level, (10, groups)."""
        scores = np.empty((len(RATIOS) + 1, self._groups), dtype=np.float32)
        scores[0] = self._normal(_EASE, self._groups)
        scores[1:] = self._normal(_STEP, len(RATIOS), self._groups)
        return np.cumsum(scores, axis=0)

    def _trained(self, side: _Side) -> npt.NDArray[np.float32]:
        """Return the levels of a training, (10, 1); half of what ratios add is one for all."""
        normal = self._rng.standard_normal
        added = side.deviations * sqrt(0.5) * (normal() + normal(len(side.deviations)))
        added[0] = 0
        levels = side.levels + added + side.deviations[0] * normal()
        return levels.astype(np.float32)[:, np.newaxis]

    def _tested(self, images: npt.NDArray[np.float32]) -> Correct:
        """Return whether the probe is right, (10, repeats, n)."""
        places = len(RATIOS) + 1
        scores = self._normal(_ANSWER, places, _REPEATS, self._groups)
        scores += self._normal(_REPEAT, _REPEATS, self._groups)
        scores += (images + self._trained(self._probe))[:, np.newaxis]
        of_repeat = self._normal(_OF_REPEAT, places, _REPEATS) * self._probe.deviations[:, np.newaxis]
        of_repeat[0] = 0
        scores += of_repeat.astype(np.float32)[:, :, np.newaxis]
        right = np.repeat(scores > 0, self._cell.burst, axis=2)
        for place in range(1, places):
            right[place, :, : self._lost(place)] = False
        return right

    def _lost(self, place: int) -> int:
        """Return how many images, the first ones, are of a class that is lost."""
        return self._cell.rare if place and RATIOS[place - 1] <= self._cell.rare_from else 0

    def _pairs(self, place: int) -> list[Correct]:
        """Return whether each pair's network is right on the images of its fold."""
        trained = np.resize(self._normal(self._networks.seed, LEAST_PAIRS), self._groups)
        right = self._of_networks[place] + trained + self._normal(_NETWORK, self._groups) > 0
        right[: self._lost(place)] = False
        return [
            np.repeat(right[fold::LEAST_PAIRS], self._cell.burst) for fold in range(LEAST_PAIRS)
        ]

    def confirm(self, ratio: float) -> Difference:
        """Train pairs of networks at a ratio, and compare them with the originals'."""
        compressed = self._pairs(1 + RATIOS.index(ratio))
        # Two pairs have three of the four fifths that each trains on in common.
        return pairs_difference(compressed, self._originals, 1 - 1 / (LEAST_PAIRS - 1))


def _proposal(
    cell: Cell, right: Correct, differences: Sequence[Difference], folder: Path
) -> dict[str, Any]:
    """Return what `propose` makes of the probe's answers, (10, repeats, n)."""
    rows = [
        {
            **{"learner": "probe", "other_learner": "probe", "other_variant": ORIGINAL},
            **{"ratio": ratio, "seeds": _REPEATS, "n": cell.images},
            **{"difference": found.difference, "low": found.low, "high": found.high},
            **{"seed_variance": found.spread.seed, "image_variance": found.spread.image},
            "rest_variance": found.spread.rest,
        }
        for ratio, found in zip(RATIOS, differences, strict=True)
    ]
    pd.DataFrame(rows).to_csv(folder / "differences.csv", index=False)
    predictions = {1.0: [folder / "1.0-0.parquet"]}
    if cell.rare:
        labels = _labels(cell)
        for ratio, repeats in zip([1.0, *RATIOS], right, strict=True):
            predictions[ratio] = []
            for repeat, answers in enumerate(repeats):
                predicted = np.where(answers, labels, (labels + 1) % _CLASSES)
                path = folder / f"{ratio}-{repeat}.parquet"
                predictions[ratio].append(path)
                _write_predictions(path, labels, predicted)
    propose(
        *(folder / name for name in ("differences.csv", "sizes.csv")),
        *(predictions, folder / "split.parquet", "probe", cell.margin),
        *(_CLASS_MARGIN, _LEAST_SAVING, folder / "proposal.json"),
    )
    found: dict[str, Any] = json.loads((folder / "proposal.json").read_text(encoding="utf-8"))
    return found


def _labels(cell: Cell) -> Labels:
    """Return the classes of the images: the last one is the rare one, its images are the first."""
    labels = np.arange(cell.images) % (_CLASSES - 1)
    labels[: cell.rare] = _CLASSES - 1
    return labels


def _write_predictions(path: Path, labels: Labels, predicted: Labels) -> None:
    keys, folds = np.arange(len(labels)).astype(np.str_), np.arange(len(labels)) % FOLDS
    write_predictions(path, keys, labels, np.eye(_CLASSES, dtype=np.float32)[predicted], folds)


def _prepare(cell: Cell, folder: Path) -> None:
    """Write what `propose` reads and no study changes; without a rare class no class is looked at."""
    sizes = pd.DataFrame({"ratio": [1.0, *RATIOS]})
    sizes.assign(relative_size=sizes["ratio"]).to_csv(folder / "sizes.csv", index=False)
    labels = _labels(cell)
    split = pd.DataFrame({"class": labels.astype(str), "label": labels})
    split.to_parquet(folder / "split.parquet")
    _write_predictions(folder / "1.0-0.parquet", labels, labels)


def _recommended(
    cell: Cell, sides: tuple[_Side, _Side], place: int, folder: Path, rng: np.random.Generator
) -> dict[str, Any]:
    """Return what is said of one study, and how it stands to the truth.

    Args:
        cell: what is simulated.
        sides: its truth.
        place: of the ratio whose bound is looked at.
        folder: prepared for the cell.
        rng: the random numbers.
    """
    study, (probe, networks) = _Study(cell, sides, rng), sides
    differences = [
        difference_interval(right, study.probe[0], crossfitted=True) for right in study.probe[1:]
    ]
    _, low, high, _ = accuracy_interval(study.probe[0], crossfitted=True)
    proposal = _proposal(cell, study.probe, differences, folder)
    facts = {"original_low": low, "chance": cell.chance}
    told, ratio = verdict(proposal, facts, None, cell.margin), proposal["ratio"]
    tried: list[Difference] = []
    if told != CANNOT_TELL and ratio is not None:
        for ratio in [r for r in reversed(RATIOS) if r >= proposal["ratio"]]:
            tried.append(study.confirm(ratio))
            pairs = {"seeds": tried[-1].spread.seeds, "low": tried[-1].low, "high": tried[-1].high}
            told = verdict({**proposal, "ratio": ratio}, facts, pairs, cell.margin)
            if told != LOSES:
                break
    at = RATIOS.index(ratio) if ratio is not None else 0
    covered = [
        found.low <= -loss <= found.high
        for found, loss in zip(differences, probe.loss, strict=True)
    ]
    first = RATIOS.index(proposal["ratio"]) if tried else 0
    return {
        "verdict": told,
        "false_use": told == USE and networks.harms[at],
        "false_use_probe": told == USE_PROBE and probe.harms[at],
        "false_loses": told == LOSES and not networks.harms[at],
        "false_leave": told == LEAVE and not probe.harms[0],
        "unlike_networks": told == USE_PROBE
        and networks.harms[at]
        or told == LEAVE
        and not networks.harms[0],
        "power": told in (USE, USE_PROBE),
        "shown": differences[place].low > -cell.margin,
        "accuracy_covered": low <= cell.accuracy <= high,
        "difference_covered": np.mean(covered),
        "pairs_covered": tried[0].low <= -networks.loss[first] <= tried[0].high
        if tried
        else np.nan,
        "tried": bool(tried),
        "image_variance": differences[place].spread.image,
        "difference": differences[place].difference,
        "variance": differences[place].spread.variance,
    }
