"""How often the recommendation is right: its whole chain, on studies whose truth is known.

A model is right on an image where its score is above 0: a sum of a level, of how easy the image is,
of what compression does to it, and of what training and the single answer deviate by. All parts are
normal, so that expected accuracies are exact. The change of an image is a walk along the ratios: an
image that is hit at one is hit at all smaller ones. What is decided of the answers is decided by
the functions that decide in a real study.

How much the training images of a cross-fitted probe matter is put into the chain, and cannot be
found by it: `crossfitted_coverage` measures it on real regressions.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, isnan, sqrt
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import multivariate_normal, norm

from jpegprep.answers.pairs import facts_of_pairs, next_ratio
from jpegprep.answers.proposal import choose
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
from jpegprep.evaluation.losses import Predictions, lost_classes
from jpegprep.evaluation.stats import (
    Correct,
    Difference,
    accuracy_interval,
    difference_interval,
    pairs_difference,
    power,
    spread,
)
from jpegprep.learners.folds import FOLDS, folds_of
from jpegprep.learners.probe import (
    Features,
    Labels,
    predict_folds,
    predict_one,
    regressions,
    single_threads,
)

Numbers = npt.NDArray[np.float64]

RATIOS = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
VERDICTS = [USE, USE_PROBE, NOT_SHOWN, LOSES, LEAVE, CANNOT_TELL]
_REPEATS = 4  # of the probe
_SIZES = pd.Series({1.0: 1.0, **{ratio: ratio for ratio in RATIOS}})
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
        grouped: whether that is known, as of near copies that are found.
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
    grouped: bool = False
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
    rare = replace(harmless, images=5000, rare=25, share=0.05)
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
        replace(
            at,
            truth=f"{of_probe}, networks at the margin; as on {words} images",
            probe=losses,
            alike=alike,
            seed=0.0,
        )
        for of_probe, losses in (("probe at the margin", _AT), ("probe doubling", _DOUBLING))
        for words, alike in (("the probe's", 1.0), ("other", 0.0))
    ]
    then = [_cell("four harmless, then at the margin", _FROM_FIFTH, n) for n in sizes]
    cells += [replace(one, share=0.5) for one in (*then, replace(then[1], accuracy=0.99))]
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
    cells += [
        replace(one, truth=f"{one.truth}; bursts of five, known", burst=5, grouped=True)
        for one in (at, harmless)
    ]
    return cells


CELLS = _cells()


@dataclass(frozen=True)
class _Side:
    """The truth of the probe, or of the networks, of a cell.

    Attributes:
        levels: (10,) of the score, the originals first.
        common: (10,) standard deviations of a score by the training images, one deviation of the
            accuracy for all.
        added: (10,) likewise what each ratio adds to it; nothing to the originals.
        seed: (10,) likewise by the training of one network.
        loss: (9,) of accuracy.
        harms: (9,) whether it is the margin or more, or that of a class.
    """

    levels: Numbers
    common: Numbers
    added: Numbers
    seed: Numbers
    loss: Numbers
    harms: Correct


def _sides(cell: Cell) -> tuple[_Side, _Side]:
    """Return the probe and the networks of a cell."""
    lost = np.array(RATIOS) <= cell.rare_from

    def side(
        losses: Sequence[float], repeat: float, answer: float, repeats: int, one_network: float
    ) -> _Side:
        loss = np.array(losses) * cell.margin
        quantiles = norm.ppf(cell.accuracy - np.array([0.0, *loss]))
        total = _EASE**2 + np.arange(len(quantiles)) * _STEP**2 + repeat + answer
        slopes = norm.pdf(quantiles) / np.sqrt(total)
        variances = _image_variances(quantiles, repeat, answer, repeats)
        trained = np.sqrt((cell.factor - 1) * variances * cell.burst / cell.images)
        common, added, seed = trained[0] / slopes, trained / slopes, one_network / slopes
        added[0] = 0
        of_repeats = (1 + _OF_REPEAT**2) if repeats > 1 else 1
        total += common**2 + added**2 * of_repeats + seed**2
        loss += lost * cell.rare / cell.images * cell.accuracy
        harms = (loss > cell.margin - 1e-9) | lost
        return _Side(quantiles * np.sqrt(total), common, added, seed, loss, harms)

    probe = side(cell.probe, _REPEAT**2, _ANSWER**2, _REPEATS, one_network=0.0)
    return probe, side(cell.networks, 0.0, _NETWORK**2, 1, one_network=cell.seed)


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
        added = side.added * sqrt(0.5) * (normal() + normal(len(side.added)))
        levels = side.levels + side.common * normal() + added
        return levels.astype(np.float32)[:, np.newaxis]

    def _tested(self, images: npt.NDArray[np.float32]) -> Correct:
        """Return whether the probe is right, (10, repeats, n)."""
        places = len(RATIOS) + 1
        scores = self._normal(_ANSWER, places, _REPEATS, self._groups)
        scores += self._normal(_REPEAT, _REPEATS, self._groups)
        scores += (images + self._trained(self._probe))[:, np.newaxis]
        of_repeat = self._normal(_OF_REPEAT, places, _REPEATS) * self._probe.added[:, np.newaxis]
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
        trained = np.resize(self._normal(self._networks.seed[place], LEAST_PAIRS), self._groups)
        right = self._of_networks[place] + trained + self._normal(_NETWORK, self._groups) > 0
        right[: self._lost(place)] = False
        return [
            np.repeat(right[fold::LEAST_PAIRS], self._cell.burst) for fold in range(LEAST_PAIRS)
        ]

    def confirm(self, ratio: float) -> Difference:
        """Train pairs of networks at a ratio, and compare them with the originals'."""
        compressed = self._pairs(1 + RATIOS.index(ratio))
        groups = self._groups if self._cell.grouped else None
        # As of pairs that train on all images of the other folds.
        return pairs_difference(compressed, self._originals, shared=1.0, groups=groups)


def _proposal(cell: Cell, right: Correct, differences: Sequence[Difference]) -> dict[str, Any]:
    """Return what `propose` makes of the probe's answers, (10, repeats, n)."""
    rows = [
        {
            **{"ratio": ratio, "seeds": _REPEATS, "n": cell.images, "crossfitted": True},
            **{"difference": found.difference, "low": found.low, "high": found.high},
            **{"seed_variance": found.spread.seed, "image_variance": found.spread.image},
            "rest_variance": found.spread.rest,
        }
        for ratio, found in zip(RATIOS, differences, strict=True)
    ]
    lost: dict[float, list[str]] = {}
    if cell.rare:
        labels = _labels(cell.images, cell.rare)
        predicted = np.where(right, labels, (labels + 1) % _CLASSES)
        names = [str(label) for label in range(_CLASSES)]
        by_ratio = dict(zip([1.0, *RATIOS], predicted, strict=True))
        keys = [str(i) for i in range(cell.images)]
        lost = lost_classes(
            Predictions(keys, labels.astype(np.int32), by_ratio, names, True), _CLASS_MARGIN
        )
    return choose(pd.DataFrame(rows), _SIZES, lost, cell.margin, _LEAST_SAVING)


def _labels(images: int, rare: int) -> Labels:
    """Return the classes of the images: the last one is the rare one, its images are the first."""
    labels = np.arange(images) % (_CLASSES - 1)
    labels[:rare] = _CLASSES - 1
    return labels


def _recommended(
    cell: Cell, sides: tuple[_Side, _Side], place: int, rng: np.random.Generator
) -> dict[str, Any]:
    """Return what is said of one study, and how it stands to the truth.

    Args:
        cell: what is simulated.
        sides: its truth.
        place: of the ratio whose bound is looked at.
        rng: the random numbers.
    """
    study, (probe, networks) = _Study(cell, sides, rng), sides
    groups = np.arange(study.probe.shape[-1]) // cell.burst if cell.grouped else None
    differences = [
        difference_interval(right, study.probe[0], crossfitted=True, groups=groups)
        for right in study.probe[1:]
    ]
    _, low, high, _ = accuracy_interval(study.probe[0], crossfitted=True, groups=groups)
    proposal = _proposal(cell, study.probe, differences)
    facts = {"original_low": low, "chance": cell.chance}
    told, ratio = verdict(proposal, facts, None, cell.margin), proposal["ratio"]
    tried: list[Difference] = []
    larger = None if told == CANNOT_TELL else ratio
    while larger is not None:
        ratio = larger
        tried.append(study.confirm(ratio))
        pairs = facts_of_pairs(tried[-1]) | {"contradicted": len(tried) > 1, "smaller": False}
        told = verdict({**proposal, "ratio": ratio}, facts, pairs, cell.margin)
        larger = next_ratio(ratio, _SIZES, _LEAST_SAVING) if told == LOSES else None
    at = RATIOS.index(ratio) if ratio is not None else 0
    covered = [*map(_covers, differences, probe.loss)]
    return {
        "verdict": told,
        "false_use": told == USE and networks.harms[at],
        "false_use_probe": told == USE_PROBE and probe.harms[at],
        "false_loses": told == LOSES and not networks.harms[at],
        "false_leave": told == LEAVE and not probe.harms[0],
        "unlike_networks": (told == USE_PROBE and networks.harms[at])
        or (told == LEAVE and not networks.harms[0]),
        "power": told in (USE, USE_PROBE),
        "shown": differences[place].low > -cell.margin,
        "accuracy_covered": low <= cell.accuracy <= high,
        "difference_covered": np.mean(covered),
        "pairs_covered": _covers(tried[0], networks.loss[RATIOS.index(proposal["ratio"])])
        if tried
        else np.nan,
        "tried": bool(tried),
        "image_variance": differences[place].spread.image,
        "difference": differences[place].difference,
        "variance": differences[place].spread.variance,
    }


def _covers(found: Difference, loss: float) -> bool:
    return found.low <= -loss <= found.high


def chain(cell: Cell, studies: int, seed: int = 0) -> dict[str, Any]:
    """Simulate a cell, and return its row.

    Args:
        cell: what is simulated.
        studies: how many.
        seed: of the random numbers.

    Returns:
        The numbers of the cell, and shares of the studies:

        - of each verdict;
        - ``false_use``: the networks lose the margin, in truth, at the ratio that is said;
          ``false_use_probe``: the probe does; ``false_loses``: the networks do not;
          ``false_leave``: the probe does not, at the largest ratio;
        - ``unlike_networks``: `use-probe` where the networks lose it, `leave` where they do not;
        - ``power``: `use` or `use-probe`; ``shown``: the probe's bound lies above the margin at the
          ratio ``at``, the smallest that is harmless with all larger ones, or the largest;
          ``predicted``: what `stats.power` says of it;
        - ``accuracy_covered``, ``difference_covered`` (mean of the ratios) and ``pairs_covered``
          (of ``tried`` studies, at the first ratio that has pairs): 95 % intervals that cover.

        And ``variance_ratio``: the variance of the probe's difference at ``at`` over the mean of
        those that are estimated.
    """
    rng = np.random.default_rng(seed)
    sides = _sides(cell)
    harmless = int(np.cumprod(~sides[0].harms).sum())
    place = max(0, harmless - 1)
    found = pd.DataFrame([_recommended(cell, sides, place, rng) for _ in range(studies)])
    row: dict[str, Any] = {
        name: value for name, value in vars(cell).items() if name not in ("probe", "networks")
    }
    row |= {"studies": studies, "at": RATIOS[place]}
    row |= {name: float((found["verdict"] == name).mean()) for name in VERDICTS}
    row |= {name: float(found[name].astype(float).mean()) for name in _SHARES}
    row["tried"] = int(found["tried"].sum())
    room = cell.margin - float(sides[0].loss[place])
    parts = (0.0, float(found["image_variance"].mean()), 0.0)
    row["predicted"] = power(room, _REPEATS, cell.images, parts, crossfitted=True)
    row["variance_ratio"] = float(found["difference"].var() / found["variance"].mean())
    return row


_SHARES = ["false_use", "false_use_probe", "false_loses", "false_leave", "unlike_networks"]
_SHARES += ["power", "shown", "accuracy_covered", "difference_covered", "pairs_covered"]


# Classes are normal, their means as well; compression adds noise to each image's features.
_DIMENSIONS, _BETWEEN, _ADDED = 32, 0.45, 0.35
_STRENGTH = 0.1  # C of the regressions
_ALIKE = 0.9  # of the variance of images of a burst what they share
_NEW = 50_000  # images by which the truth is known
SIZES = [(150, 1), (500, 1), (1500, 1), (1500, 5)]  # images of a study, and of a burst


def crossfitted_coverage(
    images: int, studies: int, seed: int = 0, burst: int = 1
) -> dict[str, Any]:
    """Cross-validate real regressions on features whose truth is known, and return a row.

    A study draws images of ten classes, and divides them into folds in four repeats; the learner is
    the probe's. The truth is that of the regressions of all studies, each trained on four fifths of
    a study's images, on `_NEW` images that none of them knows.

    Args:
        images: of a study.
        studies: how many.
        seed: of the random numbers.
        burst: images that are alike come in groups of so many; the groups are known.

    Returns:
        ``accuracy`` and ``difference``, in truth; of each ``_covered``, the share of 95 % intervals
        that hold it, ``_ratio``, the variance of what is estimated over the mean of the variance
        that `stats.spread` says, and ``_width``, the median one of the interval.
    """
    means = np.random.default_rng(0).normal(0, _BETWEEN, (_CLASSES, _DIMENSIONS))
    rng = np.random.default_rng(seed)
    groups = np.arange(images) // burst

    def deviations(number: int) -> Numbers:
        own = rng.normal(size=(number, _DIMENSIONS))
        if burst == 1:
            return own
        shared = rng.normal(size=(ceil(number / burst), _DIMENSIONS))
        shared = shared.repeat(burst, axis=0)[:number]
        return sqrt(_ALIKE) * shared + sqrt(1 - _ALIKE) * own

    def draw(number: int) -> tuple[Labels, tuple[Features, Features]]:
        """Return classes, and features of the originals and of the compressed images."""
        labels = rng.integers(_CLASSES, size=ceil(number / burst)).repeat(burst)[:number]
        originals = means[labels] + deviations(number)
        compressed = originals + _ADDED * deviations(number)
        return labels, (originals.astype(np.float32), compressed.astype(np.float32))

    labels, sides = draw(_NEW)
    rows: dict[str, list[tuple[float, ...]]] = {"accuracy": [], "difference": []}
    with single_threads():
        for _ in range(studies):
            known, own = draw(images)
            folds = [
                folds_of(known, groups, FOLDS, int(rng.integers(2**32))) for _ in range(_REPEATS)
            ]
            found = [
                _crossfitted(known, features, folds, labels, new)
                for features, new in zip(own, sides, strict=True)
            ]
            (original, true), (compressed, true_compressed) = found
            counted = groups if burst > 1 else None
            variance = spread(original, crossfitted=True, groups=counted).variance
            change = difference_interval(compressed, original, crossfitted=True, groups=counted)
            interval = accuracy_interval(original, crossfitted=True, groups=counted)
            rows["accuracy"].append((*interval[:3], variance, true))
            rows["difference"].append(
                (
                    *(change.difference, change.low, change.high, change.spread.variance),
                    true_compressed - true,
                )
            )
    row: dict[str, Any] = {"images": images, "burst": burst, "studies": studies}
    for name, of_studies in rows.items():
        estimate, low, high, variance, truths = np.transpose(of_studies)
        row[name] = truth = truths.mean()
        row[f"{name}_covered"] = ((low <= truth) & (truth <= high)).mean()
        row[f"{name}_ratio"] = estimate.var(ddof=1) / variance.mean()
        row[f"{name}_width"] = np.median(high - low)
    return row


def _crossfitted(
    known: Labels, features: Features, folds: Sequence[Labels], labels: Labels, new: Features
) -> tuple[Correct, float]:
    """Return whether the probe is right on its images, (repeats, n), and its true accuracy.

    The latter is of the first repeat's regressions on new images.
    """
    right: list[Correct] = []
    accuracies: list[float] = []
    for fold in folds:
        parts = [
            next(regressions(features[fold != k], known[fold != k], [_STRENGTH], _CLASSES))[1]
            for k in range(FOLDS)
        ]
        model = {name: np.stack([part[name] for part in parts]) for name in parts[0]}
        right.append(predict_folds(model | {"fold": fold}, features).argmax(axis=1) == known)
        if not accuracies:
            accuracies = [(predict_one(p, new).argmax(axis=1) == labels).mean() for p in parts]
    return np.stack(right), float(np.mean(accuracies))


def calibrate(studies: int, *targets: str | Path, threads: int = 1) -> None:
    """Simulate `recommend`, and write how often it is right.

    Args:
        studies: how many of each of `CELLS`; of some, which say so, fewer; a fifth as many of
            real cross-validation.
        targets: the table of the chain as .csv, .md and .html, then that of cross-validation.
        threads: processes.
    """
    from sklearn.utils.parallel import Parallel, delayed

    jobs: list[Callable[[], dict[str, Any]]] = [
        partial(crossfitted_coverage, images, ceil(studies / 5), burst=burst)
        for images, burst in reversed(SIZES)
    ]
    jobs += [
        partial(chain, cell, ceil(studies * cell.share), seed) for seed, cell in enumerate(CELLS)
    ]
    rows = Parallel(n_jobs=threads)(delayed(job)() for job in jobs)
    half = len(targets) // 2
    _write_chain(pd.DataFrame(rows[len(SIZES) :]), targets[:half])
    _write_crossfitted(pd.DataFrame(rows[len(SIZES) - 1 :: -1]), targets[half:])


def _with_errors(table: pd.DataFrame, shares: Sequence[str]) -> pd.DataFrame:
    """Return the table with the standard error of each share beside it."""
    for name in shares:
        counted = table["tried"] if name == "pairs_covered" else table["studies"]
        share = table[name]
        error = np.sqrt(share * (1 - share) / counted.where(counted > 0))
        table.insert([*table].index(name) + 1, f"{name}_error", error)
    return table


def _percent(table: pd.DataFrame, name: str) -> list[str]:
    """Return ``2.4 (0.5)`` for each row: a share and its standard error, in %."""
    columns = 100 * table[[name, f"{name}_error"]].to_numpy(dtype=float)
    return ["" if isnan(share) else f"{share:.1f} ({error:.1f})" for share, error in columns]


def _write_chain(table: pd.DataFrame, targets: Sequence[str | Path]) -> None:
    table = _with_errors(table, [*VERDICTS, *_SHARES])
    shown = pd.DataFrame(
        {
            "in truth": table["truth"],
            "images": table["images"].map("{:,}".format),
            "accuracy": table["accuracy"],
            "margin, points": (100 * table["margin"]).map("{:g}".format),
            "s. d. of networks, points": (100 * table["seed"]).map("{:g}".format),
            "studies": table["studies"].map("{:,}".format),
            **{name: (100 * table[name]).map("{:.1f}".format) for name in VERDICTS},
            "use, false": _percent(table, "false_use"),
            "use-probe, false": _percent(table, "false_use_probe"),
            "loses, false": _percent(table, "false_loses"),
            "leave, false": _percent(table, "false_leave"),
            "not so of networks": (100 * table["unlike_networks"]).map("{:.1f}".format),
            "use or use-probe": (100 * table["power"]).map("{:.1f}".format),
            "at ratio": table["at"].map("{:g}".format),
            "shown there": _percent(table, "shown"),
            "predicted": (100 * table["predicted"]).map("{:.1f}".format),
            "accuracy covered": _percent(table, "accuracy_covered"),
            "difference covered": _percent(table, "difference_covered"),
            "pairs covered": _percent(table, "pairs_covered"),
        }
    )
    write_table(table, shown, _CHAIN_NOTE, targets)


_CHAIN_NOTE = (
    "What `recommend` says of simulated studies whose truth is known; shares in %, in brackets "
    "their standard error. A study is a folder of images that differ in difficulty. A probe is "
    "cross-fitted at ratios 1.0 to 0.1, the ratio is chosen by it, and five pairs of networks, "
    "each tested on a fifth of the images, confirm it or not; where they are shown to lose, the "
    "next larger ratio is tried. In truth: what each ratio costs probe and networks, if not said "
    "otherwise. False: the statement is not true of whom it speaks of, the networks (use, loses) "
    "or the probe (use-probe, leave); use and use-probe should be false in 2.5 % at most, and are "
    "wrong where it is more than 3.5. Not so of networks: use-probe where networks lose the margin "
    "or more, leave where they do not: what nobody can know before networks have shown it. Shown "
    "there: the probe excludes a loss of the margin at that ratio, the smallest harmless one; "
    "predicted: by the formula that says how many images are needed. Covered: 95 % intervals that "
    "hold the truth; 93 to 97 % are right, up to 99 where images are few or hardly one differs. "
    "Difference: mean of the nine ratios; pairs: where networks were trained. Bursts are images "
    "that share their answers. Known: they are groups, as of near copies that are found. Elsewhere "
    "nothing in the tool sees them, and its intervals are too narrow."
)


def _write_crossfitted(table: pd.DataFrame, targets: Sequence[str | Path]) -> None:
    covered = ["accuracy_covered", "difference_covered"]
    table = _with_errors(table, covered)
    shown = pd.DataFrame(
        {
            "images": table["images"].map("{:,}".format),
            "in groups of": table["burst"],
            "studies": table["studies"].map("{:,}".format),
            "accuracy": table["accuracy"].map("{:.3f}".format),
            "true difference, points": (100 * table["difference"]).map("{:+.1f}".format),
            "accuracy covered": _percent(table, covered[0]),
            "difference covered": _percent(table, covered[1]),
            "variance of accuracy": table["accuracy_ratio"].map("{:.2f}".format),
            "variance of difference": table["difference_ratio"].map("{:.2f}".format),
            "width, points": (100 * table["difference_width"]).map("{:.1f}".format),
        }
    )
    note = (
        f"Real cross-validation on drawn features: {_CLASSES} normal classes in {_DIMENSIONS} "
        "dimensions, compression adds noise, the learner is the probe's logistic regression, in "
        f"{FOLDS} folds and {_REPEATS} repeats. Images of a group share {_ALIKE:.0%} of what makes "
        f"them differ, and are in one fold. The truth is measured on {_NEW:,} new images with "
        "the regressions of all studies. Covered: 95 % intervals that hold it, in %, in brackets "
        "the standard error; 93 to 97 are right, up to 99 where images are few. Variance: over the "
        "studies, as a share of the one that is estimated; above 1 the intervals are too narrow. "
        "Width: median, of the difference's interval."
    )
    write_table(table, shown, note, targets)
