"""The calibration of the recommendation: its studies are what they are said to be, errors show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.answers import calibrate
from jpegprep.answers.calibrate import CELLS, RATIOS, VERDICTS, Cell, chain, crossfitted_coverage
from jpegprep.answers.verdicts import CANNOT_TELL, LEAVE, USE, USE_PROBE


def cell(truth: str, images: int) -> Cell:
    """Return the first cell of this truth and size."""
    return next(c for c in CELLS if (c.truth, c.images) == (truth, images))


def test_studies_have_the_truth_they_are_said_to_have() -> None:
    """Accuracies of probe and networks, and the spread of the networks, over many images."""
    asked = replace(cell("doubling", 20_000), images=100_000, seed=0.01, factor=1.0)
    sides = calibrate._sides(asked)
    rng = np.random.default_rng(0)
    studies = [calibrate._Study(asked, sides, rng) for _ in range(4)]
    probe = np.mean([study.probe.mean(axis=(1, 2)) for study in studies], axis=0)
    assert probe[0] == pytest.approx(asked.accuracy, abs=0.002)
    assert probe[0] - probe[1:] == pytest.approx(sides[0].loss, abs=0.002)
    originals = [[pair.mean() for pair in study._pairs(0)] for study in studies for _ in range(4)]
    assert np.mean(originals) == pytest.approx(asked.accuracy, abs=0.005)
    assert np.std(originals) == pytest.approx(0.01, rel=0.3)
    lost = [-study.confirm(ratio).difference for study in studies for ratio in RATIOS[-3:]]
    assert np.mean(lost) == pytest.approx(sides[1].loss[-3:].mean(), abs=0.01)


def test_an_image_that_is_hit_at_a_ratio_is_hit_at_smaller_ones() -> None:
    """What the probe gets wrong at a half is mostly wrong at a fifth, more than by chance."""
    asked = replace(cell("doubling", 20_000), accuracy=0.9)
    right = calibrate._Study(asked, calibrate._sides(asked), np.random.default_rng(0)).probe
    half, fifth = (right[1 + RATIOS.index(ratio)].mean(axis=0) > 0.5 for ratio in (0.5, 0.2))
    hit = (right[0].mean(axis=0) > 0.5) & ~half
    assert (~fifth[hit]).mean() > 0.7


def test_the_training_images_add_as_much_variance_as_is_asked_for() -> None:
    """The variance of a difference over studies is about the factor times that of its images."""
    ratios = []
    for factor in (1.0, 2.0):
        asked = replace(cell("harmless", 3670), images=1000, factor=factor)
        sides, rng = calibrate._sides(asked), np.random.default_rng(0)
        means, images = [], []
        for _ in range(300):
            right = calibrate._Study(asked, sides, rng).probe
            change = (right[-1].astype(float) - right[0]).mean(axis=0)
            means.append(change.mean())
            images.append(change.var() / 1000)
        ratios.append(np.var(means) / np.mean(images))
    assert ratios == pytest.approx([1.0, 2.0], rel=0.25)


def test_at_the_margin_hardly_anything_is_claimed() -> None:
    """2.5 % of 150 studies are four; more than nine are so in one of a hundred times."""
    row = chain(cell("at the margin", 713), 150)
    assert row["false_use"] + row["false_use_probe"] <= 9 / 150
    assert row["false_use_probe"] == row["unlike_networks"] == row[USE_PROBE]
    assert row["predicted"] == pytest.approx(0.025, abs=1e-3)
    assert 0.94 < row["difference_covered"] < 0.999
    assert 0.92 < row["pairs_covered"] < 0.999


def test_an_interval_that_is_too_narrow_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a fifth of the variance the claims at the margin, and the coverage, are out of range."""
    monkeypatch.setattr("jpegprep.evaluation.stats.CROSSFITTED_FACTOR", 0.2)
    row = chain(cell("at the margin", 713), 60)
    assert row["false_use"] + row["false_use_probe"] > 0.07
    assert row["difference_covered"] < 0.85
    assert row["variance_ratio"] > 3


def test_where_compression_is_harmless_it_is_found() -> None:
    """The probe shows it about as often as `stats.power` says; nothing is called a loss."""
    row = chain(replace(cell("harmless", 3670), seed=0.0), 40)
    assert row["power"] > 0.9
    assert row["shown"] == pytest.approx(row["predicted"], abs=0.15)
    assert row[USE] > 0.05
    assert row["false_loses"] == row["false_leave"] == row["false_use"] == 0


def test_large_losses_are_left() -> None:
    """Twice the margin at all ratios is told from the images of twenty thousand."""
    row = chain(cell("twice the margin", 20_000), 10)
    assert row[LEAVE] == 1
    assert row["tried"] == 0
    assert np.isnan(row["pairs_covered"])


def test_networks_that_lose_are_told_from_the_probe() -> None:
    """The probe's claim is true of the probe; that it is not of the networks is counted apart."""
    row = chain(cell("probe harmless, networks twice the margin", 3670), 20)
    assert row["false_use_probe"] == 0
    assert row["unlike_networks"] == row[USE_PROBE] > 0


@pytest.mark.parametrize("chance", [0.5, 0.95])
def test_of_random_labels_nothing_is_told(chance: float) -> None:
    """A network that learnt the largest class's share alone has nothing to lose."""
    asked = next(c for c in CELLS if c.truth == "random labels" and c.chance == chance)
    assert chain(asked, 10)[CANNOT_TELL] == 1


def test_a_lost_class_is_no_ratio_to_use() -> None:
    """A class of 25 in 5,000 images hardly moves the accuracy; nothing below is proposed."""
    everywhere = chain(cell("a class lost from 0.9 down", 5000), 2)
    assert everywhere[LEAVE] == 1
    below = chain(cell("a class lost from 0.5 down", 5000), 2)
    assert below["at"] == 0.6
    assert below["power"] == 1
    assert below["false_use"] == below["false_use_probe"] == 0


def test_real_cross_validation_is_covered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intervals of a few studies hold the truth, unless the folds are mixed up."""
    monkeypatch.setattr(calibrate, "_NEW", 5000)
    monkeypatch.setattr(calibrate, "_REPEATS", 1)
    row = crossfitted_coverage(80, 6)
    assert row["difference_covered"] > 0.6
    assert row["accuracy_covered"] > 0.6
    assert row["difference"] < -0.02
    assert 0.4 < row["accuracy"] < 0.8
    predict = calibrate.predict_folds
    monkeypatch.setattr(
        calibrate,
        "predict_folds",
        lambda model, x: predict(model | {"fold": (model["fold"] + 1) % 5}, x),
    )
    assert crossfitted_coverage(80, 6)["accuracy_covered"] == 0


def test_bursts_widen_the_intervals_where_they_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups of five nearly equal images tell as much as their number, not as the images'."""
    monkeypatch.setattr(calibrate, "_NEW", 500)
    monkeypatch.setattr(calibrate, "_REPEATS", 1)
    single, known = (crossfitted_coverage(200, 4, burst=burst) for burst in (1, 5))
    assert known["difference_width"] > 1.3 * single["difference_width"]
    bursts = replace(cell("at the margin", 3670), burst=5)
    unseen, seen = (chain(replace(bursts, grouped=grouped), 12) for grouped in (False, True))
    assert unseen["difference_covered"] < seen["difference_covered"]


def test_both_tables_are_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two tables, each with its numbers, their standard errors, and a note."""
    random = next(c for c in CELLS if c.truth == "random labels")
    monkeypatch.setattr(calibrate, "CELLS", [cell("at the margin", 100), random])
    monkeypatch.setattr(calibrate, "SIZES", [(60, 1)])
    monkeypatch.setattr(calibrate, "_NEW", 500)
    kinds = ("csv", "md", "html")
    targets = [tmp_path / f"{name}.{kind}" for name in ("chain", "real") for kind in kinds]
    calibrate.calibrate(20, *targets)
    chained, real = (pd.read_csv(targets[i]) for i in (0, 3))
    assert chained["studies"].tolist() == [20, 2]
    assert chained[VERDICTS].sum(axis=1).tolist() == pytest.approx([1, 1])
    share, error = chained.loc[0, ["accuracy_covered", "accuracy_covered_error"]]
    assert error == pytest.approx(np.sqrt(share * (1 - share) / 20))
    text = targets[1].read_text()
    assert f"{100 * share:.1f} ({100 * error:.1f})" in text
    assert "2.5 % at most" in text
    assert "nan" not in text
    assert real["images"].tolist() == [60]
    assert real["studies"].tolist() == [4]
    assert "Real cross-validation" in targets[4].read_text()
    assert all(target.stat().st_size for target in targets)
