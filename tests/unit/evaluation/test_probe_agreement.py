"""The probe beside fine-tuning: what both say of the same data set."""

from pathlib import Path

import pandas as pd
import pytest

from jpegprep.evaluation.probe_agreement import probe_agreement


def differences(path: Path, learners: dict[str, list[tuple[float, float, float]]]) -> Path:
    """Write differences of learners at ratios 0.9, 0.8, …, in points."""
    rows = [
        {
            **{
                "dataset": "dtd",
                "learner": learner,
                "variant": "v",
                "ratio": round(0.9 - i / 10, 1),
            },
            **{"other_learner": learner, "other_variant": "original", "seeds": 1, "n": 500},
            **{"difference": d / 100, "low": low / 100, "high": high / 100},
            **{"seed_variance": 0, "image_variance": 0.05, "rest_variance": 0},
            "crossfitted": False,
        }
        for learner, found in learners.items()
        for i, (d, low, high) in enumerate(found)
    ]
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


def test_both_are_judged_at_their_common_ratios(tmp_path: Path) -> None:
    """The probe shows down to 0.7, fine-tuning nothing; by estimates 0.7 and 0.8."""
    table = differences(
        tmp_path / "d.csv",
        {
            "lite0": [(0.5, -1.5, 2.5), (-0.4, -2, 1.2), (-1.5, -3, 0)],
            "probe": [(0, -0.5, 0.5), (-0.1, -0.6, 0.4), (-0.3, -0.8, 0.2), (-5, -6, -4)],
        },
    )
    targets = [tmp_path / f"a.{kind}" for kind in ("csv", "md")]
    probe_agreement(table, ["probe"], 0.01, *targets)
    row = pd.read_csv(targets[0]).iloc[0]
    assert (row["probe"], row["learner"], row["ratios"]) == ("probe", "lite0", 3)
    assert (row["probe_shown"], row["probe_knee"], row["fine_knee"]) == (0.7, 0.7, 0.8)
    assert pd.isna(row["fine_shown"])
    assert row["mean_gap"] == pytest.approx((0.5 + 0.3 + 1.2) / 300)
    assert row["half_width"] == pytest.approx((2 + 1.6 + 1.5) / 300)
    assert row["inside"] == 3
    assert "3 of 3" in targets[1].read_text()


def test_learners_of_two_ratios_are_left_out(tmp_path: Path) -> None:
    """Of two points no curve is compared; the table is then empty, and says what it would be."""
    table = differences(
        tmp_path / "d.csv", {"autogluon": [(0, -1, 1)] * 2, "probe": [(0, -1, 1)] * 9}
    )
    targets = [tmp_path / f"a.{kind}" for kind in ("csv", "md")]
    probe_agreement(table, ["probe"], 0.01, *targets)
    assert pd.read_csv(targets[0]).empty
    assert "Shown: down to this ratio" in targets[1].read_text()
