"""The decision: what rows of differences show, and what would show more."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.evaluation.decision import against_original, comparison, decide, decisions
from jpegprep.evaluation.stats import difference_interval


def rows(*differences: tuple[float, float, float], n: int = 1000, seeds: int = 1) -> pd.DataFrame:
    """Return rows at ratios 0.9, 0.8, … of (difference, low, high), in points."""
    table = pd.DataFrame(differences, columns=["difference", "low", "high"]) / 100
    table["ratio"] = [round(0.9 - 0.1 * i, 1) for i in range(len(table))]
    facts: dict[str, Any] = {"n": n, "seeds": seeds, "crossfitted": False}
    facts |= {"image_variance": 0.05, "rest_variance": 0.0}
    return table.assign(**facts, seed_variance=0.0)


def test_the_smallest_ratio_that_passes_with_all_larger_ones_is_shown() -> None:
    """0.6 passes alone, after 0.7 has not: shown is 0.8."""
    table = rows((0, -0.5, 0.5), (0.1, -0.9, 1), (-0.5, -1.2, 0.3), (0.2, -0.3, 0.8))
    found = decide(table.sample(frac=1, random_state=0), margin=0.01)
    assert (found.shown, found.blocked) == (0.8, 0.7)
    assert found.candidate == 0.6


def test_nothing_is_shown_where_the_largest_ratio_fails() -> None:
    """An interval that reaches the margin shows nothing, whatever its estimate."""
    found = decide(rows((0.5, -1.0, 2.0), (0.1, -0.2, 0.3)), margin=0.01)
    assert found.shown is None
    assert (found.blocked, found.candidate) == (0.9, 0.8)


def test_where_all_ratios_pass_nothing_more_is_needed() -> None:
    """The lowest ratio of the study is the answer."""
    found = decide(rows((0, -0.5, 0.5), (0, -0.5, 0.5)), margin=0.01)
    assert (found.shown, found.blocked, found.images, found.seeds) == (0.8, None, None, None)


def test_a_loss_of_the_margin_is_shown_by_no_number_of_images() -> None:
    """Where the estimate is at the margin or beyond, more of the same says so more clearly."""
    found = decide(rows((-1.0, -1.5, -0.5)), margin=0.01)
    assert (found.shown, found.candidate, found.images, found.seeds) == (None, None, None, None)


def test_the_number_of_images_is_the_textbooks() -> None:
    """N = variance (z.975 + z.8)² / (difference + margin)²; 0.05 · 2.8016² / 0.01² = 3,925."""
    assert decide(rows((0, -1.5, 1.5)), margin=0.01).images == 3925


def test_so_many_images_have_the_power_that_is_promised() -> None:
    """Simulated studies with the number of images told pass about 80 % of the time."""
    rng = np.random.default_rng(0)
    lost = 0.02  # and as many gained: no true difference

    def study(n: int) -> tuple[np.ndarray, np.ndarray]:
        drawn = rng.random((1, n))
        return drawn < 0.8, (drawn < 0.8 - lost) | (drawn > 1 - lost)

    original, treated = study(1000)
    first = difference_interval(treated, original)
    table = rows((0, -100, 100), n=1000).assign(image_variance=2 * lost)
    images = decide(table, margin=0.01).images
    assert first.spread.image == pytest.approx(2 * lost, rel=0.4)
    assert images is not None
    passed = []
    for _ in range(400):
        original, treated = study(images)
        passed.append(difference_interval(treated, original).low > -0.01)
    assert 0.72 < np.mean(passed) < 0.88


def test_seeds_help_where_seeds_vary_and_images_where_images_do() -> None:
    """What cannot be reached by more of one thing is said of that thing alone."""
    by_seed = rows((0, -2, 2), n=100_000, seeds=3)
    by_seed = by_seed.assign(image_variance=0.01, seed_variance=1e-4)
    found = decide(by_seed, margin=0.01)
    assert found.images is None
    assert found.seeds is not None
    assert 7 < found.seeds < 15
    by_image = rows((0, -2, 2), n=500, seeds=3).assign(image_variance=0.05, rest_variance=0.01)
    found = decide(by_image, margin=0.01)
    assert found.seeds is None
    assert found.images is not None
    assert 3925 < found.images < 4500


DIFFERENCES = """dataset,learner,variant,ratio,other_learner,other_variant,seeds,n,difference,low,\
high,p,p_holm,gained,lost,seed_variance,image_variance,rest_variance,crossfitted
dtd,b0,jpeg-q50,0.5,b0,original,1,1000,0.002,-0.004,0.008,0.6,0.6,0.01,0.008,0,0.018,0,False
dtd,b0,jpeg-q30,0.3,b0,original,1,1000,-0.004,-0.012,0.004,0.4,0.6,0.01,0.014,0,0.024,0,False
dtd,b0,noise,,b0,original,1,1000,-0.3,-0.4,-0.2,0,,0,0.3,0,0.2,0,False
dtd,b4,original,1.0,b0,original,1,1000,0.1,0.05,0.15,0.001,,0.12,0.02,0,0.1,0,False
dtd,trees,jpeg-q30,0.3,b0,jpeg-q30,1,1000,-0.4,-0.5,-0.3,0,,0,0.4,0,0.2,0,False
dtd,trees,jpeg-q30,0.3,trees,original,1,1000,-0.02,-0.05,0.01,0.2,0.2,0.1,0.12,0,0.2,0,False
"""
SIZES = """dataset,ratio,relative_size
dtd,1.0,1
dtd,0.5,0.4
dtd,0.3,0.25
"""
ACCURACY = """dataset,learner,variant,ratio,seeds,n,accuracy,low,high,interval
dtd,b0,original,1.0,1,1000,0.7,0.67,0.73,Wilson
dtd,b0,jpeg-q50,0.5,1,1000,0.702,0.67,0.73,Wilson
dtd,b0,jpeg-q30,0.3,1,1000,0.696,0.66,0.72,Wilson
dtd,trees,original,1.0,1,1000,0.32,0.3,0.34,Wilson
dtd,trees,jpeg-q30,0.3,1,1000,0.3,0.28,0.32,Wilson
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """Return a folder with the tables that decisions are made from."""
    for name, text in (("differences", DIFFERENCES), ("sizes", SIZES), ("accuracy", ACCURACY)):
        (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_only_ratios_of_one_learner_count(tables: Path) -> None:
    """Noise, another learner's original and other learners' variants are no ratios."""
    table = against_original(tables / "differences.csv")
    assert table[["learner", "ratio"]].to_numpy().tolist() == [
        ["b0", 0.5],
        ["b0", 0.3],
        ["trees", 0.3],
    ]


def test_a_decision_says_what_is_saved_and_what_would_show_more(tables: Path) -> None:
    """Numbers in the CSV, words in the Markdown."""
    targets = [tables / f"decision.{kind}" for kind in ("csv", "md")]
    decisions(tables / "differences.csv", tables / "sizes.csv", 0.01, *targets)
    b0, trees = pd.read_csv(targets[0]).to_dict("records")
    assert (b0["ratio"], b0["saved"], b0["next_ratio"]) == (0.5, 0.6, 0.3)
    assert (b0["difference"], b0["low"]) == (0.002, -0.004)
    assert b0["images_needed"] == 5233  # 0.024 · 2.8016² / 0.006²
    assert pd.isna(trees["ratio"])
    assert pd.isna(trees["images_needed"])
    _, _, first, second = targets[1].read_text().splitlines()[:4]
    assert [cell.strip() for cell in first.split("|")[3:9]] == [
        "0.5",
        "60.0%",
        "+0.2 [-0.4, +0.8]",
        "0.3",
        "-0.4 [-1.2, +0.4]",
        "at least 5,233 test images",
    ]
    assert "not shown" in second
    assert "the estimate itself is a loss of the margin or more" in second


def test_the_comparison_has_each_ratio(tables: Path) -> None:
    """Bytes, accuracy, difference in points, corrected p, and whether the margin is excluded."""
    targets = [tables / f"comparison.{kind}" for kind in ("csv", "md")]
    comparison(*(tables / f"{n}.csv" for n in ("differences", "accuracy", "sizes")), 0.01, *targets)
    table = pd.read_csv(targets[0])
    assert table["not_inferior"].tolist() == [True, False, False]
    assert table["relative_size"].tolist() == [0.4, 0.25, 0.25]
    assert table["accuracy_low"].tolist() == [0.67, 0.66, 0.28]
    assert table["accuracy_high"].tolist() == [0.73, 0.72, 0.32]
    line = targets[1].read_text().splitlines()[2]
    for text in ("40.0%", "0.702 [0.670, 0.730]", "+0.2 [-0.4, +0.8]", "0.600", "1.0, 0.8", "yes"):
        assert text in line


def test_who_was_cross_fitted_says_so(tables: Path) -> None:
    """Repeats of cross-fitting are not called seeds."""
    path = tables / "accuracy.csv"
    path.write_text(path.read_text().replace("0.32,Wilson", '0.32,"Wilson, cross-fitted"'))
    target = tables / "comparison.md"
    comparison(*(tables / f"{n}.csv" for n in ("differences", "accuracy", "sizes")), 0.01, target)
    *_, b0, trees = target.read_text().splitlines()[2:5]
    assert b0.rstrip("| ").endswith(" 1")
    assert trees.rstrip("| ").endswith("cross-fitted, 1 repeat")


def test_a_decision_of_a_probe_speaks_of_repeats(tables: Path) -> None:
    """Of who was cross-fitted alone."""
    path = tables / "differences.csv"
    path.write_text(path.read_text().replace("0.12,0,0.2,0,False", "0.12,0,0.2,0,True"))
    target = tables / "decision.md"
    decisions(*(tables / f"{n}.csv" for n in ("differences", "sizes")), 0.01, target)
    b0, trees = target.read_text().splitlines()[2:4]
    assert b0.rstrip("| ").endswith(" 1")
    assert trees.rstrip("| ").endswith("cross-fitted, 1 repeat")
