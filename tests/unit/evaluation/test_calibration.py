"""Calibration: simulated studies have the truth they are said to have, and the shares are right."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.layout import Run
from jpegprep.evaluation.calibration import (
    SETTINGS,
    Setting,
    bootstrap_interval,
    calibration,
    coverage,
    same_against_same,
    simulate,
)
from jpegprep.evaluation.stats import spread
from jpegprep.learners.runs import write_predictions


def test_simulated_studies_have_their_truth() -> None:
    """Over many studies accuracy, drop and the spread of seeds are the setting's."""
    setting = Setting(seeds=4, images=2000, accuracy=0.9, drop=0.02, between_seeds=0.01)
    rng = np.random.default_rng(0)
    studies = [simulate(setting, rng) for _ in range(150)]
    original, compressed = (np.array([study[i].mean() for study in studies]) for i in (0, 1))
    assert original.mean() == pytest.approx(0.9, abs=0.003)
    assert (original - compressed).mean() == pytest.approx(0.02, abs=0.003)
    between = np.mean([spread(study[0]).seed for study in studies])
    assert np.sqrt(between) == pytest.approx(0.01, rel=0.25)


def test_intervals_cover_and_nothing_is_found_where_nothing_is() -> None:
    """400 studies each: coverage near 95 %, false alarms at most about 5 %, power above them."""
    kinds = [Setting(3, 300, 0.9, drop, between_seeds=0.005) for drop in (0.0, 0.05)]
    alike, apart = coverage(kinds, studies=400, margin=0.01).to_dict("records")
    for row in (alike, apart):
        assert 0.92 < row["accuracy_covered"] < 0.99
        assert 0.92 < row["difference_covered"] <= 0.995
    assert alike["rejected"] < 0.07
    assert apart["rejected"] > 0.3
    assert apart["not_inferior"] < 0.02
    assert 0.01 < alike["width"] < 0.2


def test_the_settings_are_those_of_the_report() -> None:
    """One to ten seeds, few and many images, with a drop and without."""
    assert {s.seeds for s in SETTINGS} == {1, 3, 5, 10}
    assert {s.drop for s in SETTINGS} == {0.0, 0.02}


def test_the_bootstrap_counts_single_answers_more_than_once() -> None:
    """Of independent answers its interval is about √3 as wide as it should be."""
    rng = np.random.default_rng(0)
    values = (rng.random((5, 2000)) < 0.5).astype(float)
    low, high = bootstrap_interval(values, rng)
    exact = 2 * 1.96 * 0.5 / np.sqrt(values.size)
    assert 1.4 < (high - low) / exact < 2.1


def test_calibration_is_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a setting, shares in percent, and a note that says what they are."""
    monkeypatch.setattr("jpegprep.evaluation.calibration.SETTINGS", SETTINGS[:2])
    targets = [tmp_path / f"c.{kind}" for kind in ("csv", "md", "html")]
    calibration(20, 0.01, *targets)
    table = pd.read_csv(targets[0])
    assert len(table) == 2
    assert table["studies"].tolist() == [20, 20]
    text = targets[1].read_text()
    assert f"{table['accuracy_covered'][0]:.1%}" in text
    assert "Shares of 20 simulated studies a row" in text


def test_originals_are_compared_with_originals(tmp_path: Path) -> None:
    """Four seeds are three ways of two against two; one that stands apart shows in the numbers."""
    labels = np.zeros(200, dtype=np.int64)
    runs, paths = [], []
    for seed, correct in enumerate((150, 152, 154, 156)):
        right = np.random.default_rng(seed).permutation(200) < correct
        probabilities = np.where(right[:, np.newaxis], [0.9, 0.1], [0.1, 0.9]).astype(np.float32)
        path = tmp_path / f"{seed}.parquet"
        write_predictions(path, np.array([f"i{i}" for i in range(200)]), labels, probabilities)
        runs.append(Run("dtd", "original", "probe", seed))
        paths.append(path)
    targets = [tmp_path / f"aa.{kind}" for kind in ("csv", "md")]
    same_against_same(runs, paths, *targets)
    row = pd.read_csv(targets[0]).iloc[0]
    assert (row["seeds"], row["n"], row["comparisons"]) == (2, 200, 3)
    assert (row["rejected"], row["covered"]) == (0, 3)
    assert row["largest"] == pytest.approx(0.02)
    assert "nothing is to be found" in targets[1].read_text()
