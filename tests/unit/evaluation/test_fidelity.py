"""Whether fidelity predicts losses: where it does, and where it only seems to."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.common.parquet import write_parquet
from jpegprep.evaluation.fidelity import (
    CONSTANT,
    FEW,
    LARGE,
    NOT_SHOWN,
    YES,
    cosines,
    fidelity,
    fidelity_predicts,
    predict,
)
from jpegprep.learners.runs import write_predictions

RATIOS = [0.9, 0.5, 0.3, 0.1]


def drawn(sets: int, rng: np.random.Generator, truth: bool, noise: float = 0.002) -> pd.DataFrame:
    """Return fidelity and losses of data sets; in truth losses follow PSNR, or the store alone.

    Both fall with the ratio in each data set, whatever the truth.
    """
    rows = []
    for k in range(sets):
        level, other = rng.normal(0, 4, 2)
        for ratio in RATIOS:
            psnr = 28 + 14 * ratio + level
            sensitive = psnr if truth else 28 + 14 * ratio + other
            loss = 0.1 / (1 + np.exp((sensitive - 32) / 3)) + rng.normal(0, noise)
            row: dict[str, Any] = {"dataset": f"set{k}", "variant": f"q{ratio}", "knows": True}
            row |= {"psnr": psnr, "ssim": 0.7 + 0.3 * ratio + 0.01 * rng.normal()}
            row |= {"cosine": 0.8 + 0.2 * ratio + 0.01 * rng.normal()}
            row |= {"difference": -loss, "low": -loss - 2 * noise, "high": -loss + 2 * noise}
            rows.append(row)
    return pd.DataFrame(rows)


def by_predictor(table: pd.DataFrame, margin: float = 0.05) -> pd.DataFrame:
    """Return what is said of each predictor."""
    return predict(table, margin).set_index("predictor")


def test_a_correlation_within_data_sets_is_no_prediction() -> None:
    """Rank within is 1 by construction in all of them; only with the truth does PSNR predict."""
    rng = np.random.default_rng(0)
    true, false = (by_predictor(drawn(7, rng, truth)) for truth in (True, False))
    assert min(true.loc["psnr", "rank_within"], false.loc["psnr", "rank_within"]) > 0.95
    assert (true.loc["psnr", "verdict"], false.loc["psnr", "verdict"]) == (YES, NOT_SHOWN)
    assert true.loc["psnr", "error"] < 0.5 * true.loc["store", "error"]
    assert true.loc[["ssim", "cosine"], "verdict"].tolist() == [NOT_SHOWN, NOT_SHOWN]
    # A margin below the error: it predicts, but decides nothing.
    assert by_predictor(drawn(7, rng, True), 0.001).loc["psnr", "verdict"] == LARGE


def test_it_is_seldom_wrong_where_losses_follow_the_ratio_alone() -> None:
    """Of 30 drawn studies without the truth, at most two claim anything."""
    rng = np.random.default_rng(1)
    found = [predict(drawn(6, rng, False), 0.05)["verdict"].isin([YES, LARGE]) for _ in range(30)]
    assert sum(one.any() for one in found) <= 2
    with_truth = [by_predictor(drawn(6, rng, True)).loc["psnr", "verdict"] for _ in range(10)]
    assert with_truth.count(YES) >= 6


@pytest.mark.parametrize("sets", [0, 1, 2, 3, 4])
def test_few_data_sets_tell_nothing(tmp_path: Path, sets: int) -> None:
    """Of four, the order that fits best comes by chance once in 24, for each of three."""
    table = drawn(5, np.random.default_rng(2), True)
    table = table[table["dataset"] < f"set{sets}"]
    targets = [tmp_path / f"t.{kind}" for kind in ("csv", "md", "html")]
    fidelity_predicts(table, 0.05, *targets)
    found = pd.read_csv(targets[0]).set_index("predictor")
    assert set(found.loc[["psnr", "ssim", "cosine"], "verdict"]) == {FEW}
    assert "too few to tell" in targets[1].read_text("utf-8")


def test_what_does_not_vary_predicts_nothing() -> None:
    """The cosine of images that were all kept is 1."""
    table = drawn(6, np.random.default_rng(3), True).assign(cosine=1.0)
    found = by_predictor(table)
    assert found.loc["cosine", "verdict"] == CONSTANT
    assert found.loc["psnr", "verdict"] == YES


def test_one_data_set_apart_is_no_evidence() -> None:
    """Small images lose much and have a low PSNR; among the others losses do not follow it."""
    rng = np.random.default_rng(4)
    table = drawn(6, rng, False)
    apart = table["dataset"] == "set0"
    table.loc[apart, "psnr"] -= 30
    table.loc[apart, ["difference", "low", "high"]] -= 0.2
    assert by_predictor(table).loc["psnr", "verdict"] == NOT_SHOWN


def test_a_probe_that_knows_nothing_is_left_out(tmp_path: Path) -> None:
    """Labels at random: no loss at any PSNR, which would hide that the others follow it."""
    table = drawn(7, np.random.default_rng(5), True)
    random = pd.DataFrame(
        [{"dataset": "random", "variant": f"q{r}", "psnr": 20 + r} for r in RATIOS]
    )
    random = random.assign(ssim=0.5, cosine=0.5, difference=0.0, low=-0.01, high=0.01, knows=False)
    both = pd.concat([table, random], ignore_index=True)
    assert by_predictor(both).equals(by_predictor(table))
    fidelity_predicts(both, 0.05, tmp_path / "t.md")
    text = (tmp_path / "t.md").read_text("utf-8")
    assert text.startswith("**A quick look: PSNR, dB tells more of a loss than the store alone.")
    assert "nothing to lose there: random." in text


def test_cosines_of_rows() -> None:
    """Equal, scaled, orthogonal and opposite rows; zeros are like zeros alone."""
    one = np.array([[1, 2], [1, 2], [1, 0], [1, 1], [0, 0], [0, 0]], dtype=np.float32)
    other = np.array([[1, 2], [3, 6], [0, 5], [-1, -1], [0, 0], [1, 0]], dtype=np.float32)
    assert cosines(one, other) == pytest.approx([1, 1, 0, -1, 1, 0])


def test_fidelity_stands_beside_the_loss(tmp_path: Path) -> None:
    """Means of the sample and of all features; bursts of four widen intervals; SSIM has gaps."""
    n, rng = 200, np.random.default_rng(6)
    bursts = np.repeat(rng.normal(35, 2, n // 4), 4)
    rows = pd.DataFrame(
        {"variant": "webp-q50", "place": np.arange(100), "key": "k", "psnr": bursts[:100]}
    )
    rows["ssim"] = [float("nan")] * 10 + [0.9, 0.94] * 45
    write_parquet(rows, tmp_path / "measured.parquet")
    features = rng.random((n, 5)).astype(np.float32)
    paths = {"original": tmp_path / "one.npz", "webp-q50": tmp_path / "half.npz"}
    for path, values in zip(paths.values(), (features, 2 * features), strict=True):
        np.savez(path, train=values[:100], val=values[100:150], test=values[150:])
    labels = np.arange(n) % 2
    pd.DataFrame({"label": labels}).to_parquet(tmp_path / "split.parquet")
    keys = np.array([f"k{i}" for i in range(n)])
    about = {"dataset": "mine", "learner": "probe", "seeds": 4, "n": n}
    accuracy = {**about, "variant": "original", "accuracy": 0.55, "low": 0.48, "high": 0.62}
    accuracy["interval"] = "Wilson, cross-fitted"
    pd.DataFrame([accuracy]).to_csv(tmp_path / "accuracy.csv", index=False)
    ends = {"difference": -0.02, "low": -0.04, "high": 0.0, "variant": "webp-q50"}
    sides = {"other_learner": "probe", "other_variant": "original"}
    pd.DataFrame([{**about, **ends, **sides}]).to_csv(tmp_path / "differences.csv", index=False)
    found = []
    for name, group in (("alone", None), ("bursts", np.arange(n) // 4)):
        predictions = tmp_path / f"{name}.parquet"
        write_predictions(
            predictions, keys, labels, np.eye(2, dtype=np.float32)[labels], None, group
        )
        target = tmp_path / f"{name}.csv"
        fidelity(
            {"mine": tmp_path / "measured.parquet"},
            {"mine": paths},
            {"mine": predictions},
            tmp_path / "accuracy.csv",
            tmp_path / "differences.csv",
            {"mine": tmp_path / "split.parquet"},
            "probe",
            0.01,
            target,
        )
        found.append(pd.read_csv(target).iloc[0])
    alone, grouped = found
    assert alone["psnr"] == pytest.approx(bursts[:100].mean(), rel=1e-4)
    assert (alone["ssim"], alone["ssim_n"]) == (pytest.approx(0.92), 90)
    assert (alone["cosine"], alone["cosine_n"]) == (pytest.approx(1), n)
    width = (row["psnr_high"] - row["psnr_low"] for row in found)
    assert next(width) * 1.7 < next(width)  # of bursts of four twice as wide
    assert grouped["psnr"] == alone["psnr"]
    assert not alone["knows"], (
        "half of the images are of each class, and the probe is right for 55 %"
    )
