"""Figure 3 in numbers: two bars, seeds, and the paper's claim."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jpegprep.evaluation.convergence import convergence
from jpegprep.evaluation.stats import accuracy_interval

KINDS = ("csv", "md", "html")
Curves = dict[tuple[str, str, float, int], list[float]]


@pytest.fixture
def targets(tmp_path: Path) -> list[Path]:
    """Return the files to write."""
    return [tmp_path / f"t.{kind}" for kind in KINDS]


def curves(
    folder: Path, accuracies: Curves, classes: int = 10
) -> tuple[list[dict[str, Any]], list[Path], dict[str, Path]]:
    """Write histories, and splits of 100 validation images; return what `convergence` takes."""
    runs, histories, splits = [], [], {}
    for (dataset, learner, ratio, seed), values in accuracies.items():
        path = folder / f"{dataset}-{learner}-{ratio}-{seed}.csv"
        history = {"epoch": range(1, len(values) + 1), "train_loss": 1.0, "val_accuracy": values}
        pd.DataFrame(history).to_csv(path, index=False)
        runs.append({"dataset": dataset, "learner": learner, "ratio": ratio, "seed": seed})
        histories.append(path)
        splits[dataset] = folder / f"{dataset}.parquet"
        split = pd.DataFrame({"split": ["train"] * 7 + ["val"] * 100 + ["test"] * 9})
        split["label"] = np.arange(len(split)) % classes
        split.to_parquet(splits[dataset], index=False)
    return runs, histories, splits


def rows(targets: list[Path]) -> list[dict[str, str]]:
    """Return the rows that people read."""
    lines = [x for x in targets[1].read_text("utf-8").splitlines() if x.startswith("|")]
    head, _, *others = ([x.strip() for x in line.strip("|").split("|")] for line in lines)
    return [dict(zip(head, other, strict=True)) for other in others]


TWO_BARS = {
    ("dtd", "b0", 1.0, 0): [0.5, 0.8, 0.9, 0.96, 1.0],
    ("dtd", "b0", 0.5, 0): [0.6, 0.8, 0.9, 0.94, 0.96],
    ("dtd", "b0", 0.1, 0): [0.7, 0.71, 0.72, 0.73, 0.73],
}


def test_a_ratio_that_ends_lower_is_the_quicker_at_its_own_bar_alone(
    tmp_path: Path, targets: list[Path]
) -> None:
    """At 95 % of the originals' last accuracy it is the slower one; both bars stand there."""
    convergence(*curves(tmp_path, TWO_BARS), *targets)
    table = pd.read_csv(targets[0]).set_index("ratio")
    assert table["common_bar"].tolist() == [0.95] * 3
    assert table["common_epochs"].tolist() == [4, 5, 6]  # the last: never, of five
    assert table["common_reached"].tolist() == [1, 1, 0]
    assert table["own_bar"].tolist() == pytest.approx([0.95, 0.95 * 0.96, 0.95 * 0.73])
    assert table["own_epochs"].tolist() == [4, 4, 1]
    assert table["own_reached"].tolist() == [1, 1, 1]
    shown = rows(targets)
    assert [row["epochs to the common bar"] for row in shown] == ["4.0", "5.0", "not in 5"]
    assert [row["epochs to its own bar"] for row in shown] == ["4.0", "4.0", "1.0"]
    # Wilson's intervals of 100 and of 96 of 100, from the published formula.
    accuracies = [row["last epoch's accuracy"] for row in shown[:2]]
    assert accuracies == ["1.000 [0.963, 1.000]", "0.960 [0.902, 0.984]"]


def test_one_seed_has_no_interval_and_says_so(tmp_path: Path, targets: list[Path]) -> None:
    """Both claims are open; the original is compared with nothing."""
    convergence(*curves(tmp_path, TWO_BARS), *targets)
    table = pd.read_csv(targets[0])
    for which in ("common", "own", "later", "rate_ratio"):
        assert table[[f"{which}_low", f"{which}_high"]].isna().all(axis=None)
    shown = rows(targets)
    for claim in ("in no fewer epochs", "at the same rate"):
        assert [row[claim] for row in shown] == ["", "open: one seed", "open: one seed"]
    assert [row["later than the original, epochs"] for row in shown] == ["", "+1.0", "+2.0"]
    assert shown[0]["rate / original's"] == "" != shown[1]["rate / original's"]
    assert "of one seed there is none" in targets[1].read_text("utf-8")


def exponential(rate: float, plateau: float, epochs: int = 10) -> list[float]:
    """Return the accuracies of an exponential approach from a tenth."""
    way = 1 - np.exp(-rate * np.arange(1, epochs + 1))
    return (0.1 + (plateau - 0.1) * way).tolist()


def test_claims_of_several_seeds_are_judged_per_ratio(tmp_path: Path, targets: list[Path]) -> None:
    """The same rate at a lower plateau, half the rate, and twice the rate from low to high."""
    truth = {1.0: (0.5, 0.9), 0.5: (0.5, 0.6), 0.3: (0.25, 0.9), 0.1: (1.0, 0.9)}
    found: Curves = {
        ("dtd", "b0", ratio, seed): exponential(rate * (1 + 0.02 * seed), plateau)
        for ratio, (rate, plateau) in truth.items()
        for seed in range(5)
    }
    convergence(*curves(tmp_path, found), *targets)
    table = pd.read_csv(targets[0]).set_index("ratio")
    assert table["rate"].tolist() == pytest.approx([0.52, 0.52, 0.26, 1.04], rel=0.02)
    assert table["rate_ratio"].tolist()[1:] == pytest.approx([1, 0.5, 2], rel=0.02)
    assert table["same_rate"].tolist()[1:] == ["borne out", "contradicted", "contradicted"]
    # 1 - 0.05 0.8 of the way takes log(0.05) and so on: 6 epochs, never, 10 or more, 3.
    assert table["no_fewer_epochs"].tolist()[1:] == ["borne out", "borne out", "contradicted"]
    assert table["common_reached"].tolist()[1] == 0
    assert rows(targets)[1]["epochs to the common bar"] == "not in 10"


def test_a_seed_that_never_reaches_the_bar_is_not_dropped(
    tmp_path: Path, targets: list[Path]
) -> None:
    """Of two seeds one does in epoch 2, the other never in three: at least 3 on average."""
    found = {
        ("dtd", "b0", 1.0, 0): [0.5, 0.96, 1.0],
        ("dtd", "b0", 1.0, 1): [0.5, 0.95, 1.0],
        ("dtd", "b0", 0.3, 0): [0.5, 0.95, 0.96],
        ("dtd", "b0", 0.3, 1): [0.5, 0.6, 0.7],
    }
    convergence(*curves(tmp_path, found), *targets)
    row = pd.read_csv(targets[0]).iloc[1]
    assert (row["common_epochs"], row["common_reached"], row["seeds"]) == (3, 1, 2)
    half = 12.7062 * ((2 + 1 / 12) / 2) ** 0.5  # Student's, with an epoch's rounding
    assert row[["common_low", "common_high"]].tolist() == pytest.approx([3 - half, 3 + half])
    shown = rows(targets)[1]
    assert shown["epochs to the common bar"] == "≥ 3.0 [-10.0, 16.0] (1 of 2)"
    assert shown["seeds"] == "2"


def test_seeds_are_paired(tmp_path: Path, targets: list[Path]) -> None:
    """A seed that the original lacks is in the ratio's means, and in no difference."""
    found = {
        ("dtd", "b0", 1.0, 1): exponential(0.5, 0.9),
        ("dtd", "b0", 1.0, 2): exponential(0.7, 0.9),
        ("dtd", "b0", 0.3, 2): exponential(0.7, 0.9),
        ("dtd", "b0", 0.3, 1): exponential(0.5, 0.9),
        ("dtd", "b0", 0.3, 0): exponential(0.1, 0.9),
    }
    convergence(*curves(tmp_path, found), *targets)
    row = pd.read_csv(targets[0]).iloc[1]
    assert (row["seeds"], row["rate_ratio"], row["later"]) == (3, 1, 0)
    assert row["rate_ratio_low"] == row["rate_ratio_high"] == 1
    assert row["rate"] == pytest.approx((0.5 * 0.7 * 0.1) ** (1 / 3), rel=0.02)


def test_chance_is_one_over_the_classes(tmp_path: Path, targets: list[Path]) -> None:
    """The approach begins where a new classifier does: of two classes at a half."""
    found = {("dtd", "b0", 1.0, 0): [0.5 + 0.4 * (1 - 2.0**-n) for n in range(1, 11)]}
    convergence(*curves(tmp_path, found, classes=2), *targets)
    assert pd.read_csv(targets[0])["rate"].tolist() == pytest.approx([np.log(2)], rel=0.015)


def test_validation_accuracies_of_seeds_have_the_interval_of_the_same_images(
    tmp_path: Path, targets: list[Path]
) -> None:
    """73 and 97 of 100: the interval is that of two seeds that are right on the same images."""
    seeds = {("dtd", "b0", 1.0, 0): [0.5, 0.73], ("dtd", "b0", 1.0, 1): [0.5, 0.97]}
    convergence(*curves(tmp_path, seeds), *targets)
    row = pd.read_csv(targets[0]).iloc[0]
    right = np.arange(100) < np.array([[73], [97]])
    assert row[["final_accuracy", "final_low", "final_high"]].tolist() == pytest.approx(
        accuracy_interval(right)[:3], rel=1e-5
    )


def test_data_sets_and_learners_have_their_own_originals(
    tmp_path: Path, targets: list[Path]
) -> None:
    """A row a data set, learner and ratio, in the order of the runs, with their own epochs."""
    found = {
        ("textures", "b4", 1.0, 0): [0.3, 0.6, 0.6],
        ("textures", "b4", 0.3, 0): [0.1, 0.2, 0.58],
        ("textures", "b0", 1.0, 0): [0.5, 0.5, 0.3, 0.2, 0.1],
        ("pets", "b0", 0.5, 0): [0.2, 0.4, 0.41, 0.42, 0.42],  # its largest is the original here
    }
    convergence(*curves(tmp_path, found), *targets)
    table = pd.read_csv(targets[0])
    assert table[["dataset", "learner", "ratio"]].to_numpy().tolist() == [
        list(place[:3]) for place in found
    ]
    assert table["epochs"].tolist() == [3, 3, 5, 5]
    assert table["common_bar"].tolist() == pytest.approx([0.57, 0.57, 0.095, 0.399])
    assert table["common_epochs"].tolist() == [2, 3, 1, 2]
    assert table["n"].tolist() == [100] * 4
